"""The sweep of holds: what is due by the product's clock is released, in batches, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from procrastinate.contrib.django import app

from largesse.adapters import clock
from largesse.adapters.postgres import services
from largesse.adapters.postgres.checks import run_checks
from largesse.adapters.postgres.holding import hold_journals
from largesse.ledger.holds import Hold, held_gift
from largesse.money.ids import HolderId
from largesse.web.jobs.holds import expire_holds_task
from largesse.web.jobs.worker import load_tasks
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    DjangoDriver,
    empty_ledger,
    key,
    known_policies,
    recharge,
    rows,
)

pytestmark = COMMITTED
FAN = HolderId(70)


@pytest.fixture
def book(transactional_db: None) -> Iterator[DjangoDriver]:
    empty_ledger()
    with known_policies():
        driver = DjangoDriver()
        driver.post([recharge("r", FAN, 100)])
        yield driver
    empty_ledger()


def hold(book: DjangoDriver, names: list[str], *, begun_minutes_ago: int) -> None:
    """Hold a coin for each name, for ten minutes."""
    at = clock.now() - timedelta(minutes=begun_minutes_ago)
    book.run(
        hold_journals(
            [
                Hold(held_gift(key(n), at, FAN, 1, 0), "undo window", at + timedelta(minutes=10))
                for n in names
            ]
        )
    )


def states() -> dict[str, int]:
    return dict(rows("SELECT state, count(*) FROM ledger_pending GROUP BY state"))


def test_what_is_due_is_released_and_nothing_else(
    book: DjangoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "HOLDS_A_BATCH", 2)
    hold(book, ["a", "b", "c", "d"], begun_minutes_ago=11)
    hold(book, ["e"], begun_minutes_ago=9)
    expire_holds_task(0)
    assert states() == {"expired": 4, "pending": 1}
    assert (book.wallet(FAN).paid.held, book.wallet(FAN).spendable) == (1, 99)
    expire_holds_task(0)
    assert states() == {"expired": 4, "pending": 1}
    assert run_checks() == []


def test_the_task_is_known_and_runs_four_times_a_minute() -> None:
    load_tasks()
    task = app.tasks["ledger.expire_holds"]
    assert task.queueing_lock == "ledger.expire_holds"
    registry = app.periodic_registry.periodic_tasks
    assert [p.cron for p in registry.values() if p.task is task] == ["* * * * * */15"]
