"""Fixtures of the posting store's tests.

Owns a ledger whose rows are committed and emptied again. Must not know any feature. Protects one
invariant: a test finds the books as the migration left them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.postgres.ledger_world import (
    AsyncDriver,
    DjangoDriver,
    Driver,
    empty_ledger,
    known_policies,
)


@pytest.fixture
def ledger(transactional_db: None) -> Iterator[DjangoDriver]:
    """Give the driver on Django's connection; what it posts is committed, and gone afterwards.

    The test's module is marked COMMITTED, so that other tables are left alone.
    """
    empty_ledger()
    with known_policies():
        yield DjangoDriver()
    empty_ledger()


@pytest.fixture
def async_ledger(ledger: DjangoDriver) -> Iterator[AsyncDriver]:
    """Give the driver on psycopg's async connections."""
    driver = AsyncDriver()
    yield driver
    driver.close()


@pytest.fixture(params=["django", "async"])
def book(request: pytest.FixtureRequest, ledger: DjangoDriver) -> Driver:
    """Give each of the two executors in turn."""
    return ledger if request.param == "django" else request.getfixturevalue("async_ledger")
