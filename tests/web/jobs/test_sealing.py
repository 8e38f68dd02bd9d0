"""The sealing task: what was committed is sealed and signed, in rounds, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from procrastinate.contrib.django import app
from pytest_django import Settings

from largesse.adapters.postgres import sealing
from largesse.adapters.receipts import services
from largesse.web.jobs.sealing import seal_now
from largesse.web.jobs.worker import load_tasks
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    DjangoDriver,
    empty_ledger,
    gift,
    known_policies,
    recharge,
    rows,
)

pytestmark = COMMITTED
FAN = 70


@pytest.fixture
def book(transactional_db: None, settings: Settings, tmp_path: Path) -> Iterator[DjangoDriver]:
    settings.CONFIG = replace(settings.CONFIG, data_dir=tmp_path / "data")
    empty_ledger()
    with known_policies():
        driver = DjangoDriver()
        driver.post([recharge("r", FAN, 10_000)])
        yield driver
    empty_ledger()


def sizes() -> list[int]:
    return [row[0] for row in rows("SELECT size FROM ledger_log_checkpoint ORDER BY size")]


def test_a_run_seals_and_signs_what_is_new_and_nothing_else(book: DjangoDriver) -> None:
    assert seal_now() == 1
    assert sizes() == [1]
    assert seal_now() == 1
    assert sizes() == [1]
    book.post_gifts([gift(f"g{n}", FAN, 1) for n in range(7)])
    assert seal_now() == 1
    assert sizes() == [1, 8]
    assert rows("SELECT count(*) FROM ledger_log_checkpoint WHERE published_at IS NOT NULL") == [
        (0,)
    ]


def test_a_backlog_is_signed_more_than_once_on_the_way(
    book: DjangoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "STEPS_A_CHECKPOINT", 2)
    monkeypatch.setattr(sealing, "STEP_LEAVES", 10)
    book.post_gifts([gift(f"g{n}", FAN, 1) for n in range(54)])
    assert seal_now() == 3
    assert sizes() == [20, 40, 55]


def test_the_task_is_known_and_runs_four_times_a_minute() -> None:
    load_tasks()
    task = app.tasks["receipts.seal"]
    assert task.queueing_lock == "receipts.seal"
    registry = app.periodic_registry.periodic_tasks
    assert [p.cron for p in registry.values() if p.task is task] == ["* * * * * */15"]
