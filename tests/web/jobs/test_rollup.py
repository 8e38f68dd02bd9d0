"""The background process: credits follow gifts, tasks are known, and the end is orderly."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from procrastinate.contrib.django import app

from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.adapters.postgres.reading import balances
from largesse.money.ids import HolderId
from largesse.web.jobs.rollup import RollUpLoop
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
from tests.live.world import database_url, environment

pytestmark = COMMITTED
FAN, CREATOR = 70, HolderId(1001)


@pytest.fixture
def book(transactional_db: None) -> Iterator[DjangoDriver]:
    empty_ledger()
    with known_policies():
        driver = DjangoDriver()
        driver.post([recharge("r", FAN, 100)])
        yield driver
    empty_ledger()
    rows("UPDATE largesse_clock SET offset_seconds = 0")


def pending() -> int:
    return balances(CREATOR).get(("creator_pending", "DIAMOND"), 0)


def tick(loop: RollUpLoop) -> None:
    async def once() -> None:
        pool = open_pool(database_url(), size=1)
        await pool.open()
        await loop.tick(AsyncBook(pool))
        await pool.close()

    asyncio.run(once())


def test_a_tick_credits_what_was_given_since_the_last(book: DjangoDriver) -> None:
    loop = RollUpLoop(database_url(), is_sandbox=True)
    book.post_gifts([gift("a", FAN, 40)])
    tick(loop)
    assert pending() == 20
    tick(loop)
    assert pending() == 20
    book.post_gifts([gift("b", FAN, 10)])
    tick(loop)
    assert pending() == 25


def test_a_tick_is_dated_by_the_sandbox_clock(book: DjangoDriver) -> None:
    rows("UPDATE largesse_clock SET offset_seconds = %s", 40 * 86_400)
    book.post_gifts([gift("a", FAN, 40)])
    tick(RollUpLoop(database_url(), is_sandbox=True))
    at = rows("SELECT at - now() FROM ledger_journal WHERE event = 'earning'")[0][0]
    assert isinstance(at, timedelta)
    assert abs(at - timedelta(days=40)) < timedelta(minutes=1)


def test_a_policy_that_is_new_is_read(book: DjangoDriver) -> None:
    loop = RollUpLoop(database_url(), is_sandbox=False)
    book.post_gifts([gift("a", FAN, 40)])
    tick(loop)
    columns = "hold_days, currency, coin_gross_micro, tax_bp, fee_bp, effective_at, created_at"
    rows(
        f"INSERT INTO earnings_sharepolicy (number, version, share_bp, {columns}) "
        f"SELECT 77, 'tests-77', 7500, {columns} FROM earnings_sharepolicy WHERE number = 1"
    )
    try:
        rows("UPDATE ledger_gift SET policy = 77")
        book.post_gifts([gift("b", FAN, 40)])
        rows("UPDATE ledger_gift SET policy = 77 WHERE seq = (SELECT max(seq) FROM ledger_gift)")
        tick(loop)
        assert pending() == 20 + 30
    finally:
        rows("DELETE FROM earnings_sharepolicy WHERE number = 77")


def test_the_loop_outlives_its_connection(book: DjangoDriver) -> None:
    loop = RollUpLoop(database_url(), is_sandbox=False)
    own = rows("SELECT pg_backend_pid()")[0][0]

    async def scene() -> None:
        stopping = asyncio.Event()
        running = asyncio.create_task(loop.run(stopping))
        await asyncio.wait_for(loop.ticked.wait(), 10)
        pool = open_pool(database_url(), size=1)
        await pool.open()
        async with pool.connection() as other:
            cut = await other.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                "datname = current_database() AND pid NOT IN (pg_backend_pid(), %s)",
                [own],
            )
            assert await cut.fetchone() != (0,)
        await AsyncBook(pool).post_gifts([gift("a", FAN, 40)])
        for _ in range(100):
            async with pool.connection() as other:
                found = await other.execute("SELECT count(*) FROM ledger_earning")
                if await found.fetchone() == (1,):
                    break
            await asyncio.sleep(0.1)
        await pool.close()
        stopping.set()
        await running

    asyncio.run(scene())
    assert pending() == 20


def test_every_task_of_the_product_is_known() -> None:
    load_tasks()
    assert {
        "earnings.mature",
        "payouts.sweep",
        "finance.close_yesterday",
        "recharge.sweep_orders",
        "recharge.apply_notifications",
    } <= set(app.tasks)


def test_the_process_works_and_ends_on_request(book: DjangoDriver) -> None:
    book.post_gifts([gift("a", FAN, 40)])
    environ = environment("http://127.0.0.1:8000")
    with subprocess.Popen(
        [sys.executable, "-m", "largesse.web.jobs"],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        alarm = threading.Timer(30, process.kill)
        alarm.start()
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert pending() == 20
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
        assert time.monotonic() - began < 10
        alarm.cancel()
    assert os.path.exists(f"/proc/{process.pid}") is False
