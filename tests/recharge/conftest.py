"""Fixtures of the recharge tests: the launch catalogue and a till."""

from __future__ import annotations

import pytest

from largesse.catalog.services import LAUNCH_PRICES, publish_price_book, read_rows
from tests.recharge.counter import NOW
from tests.recharge.till import Till


@pytest.fixture
def till() -> Till:
    """Return a till that works."""
    return Till()


@pytest.fixture
def prices(db: None) -> None:
    """Publish the launch price books, a day before the tests' time."""
    for book in read_rows(LAUNCH_PRICES, "books"):
        publish_price_book(book, NOW.replace(day=NOW.day - 1))
