"""Kill -9 of PostgreSQL and of whoever posts: nothing acknowledged is lost, nothing doubled.

A hundred cycles; a thousand with `--hypothesis-profile=nightly`. The figures are printed (-rP).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import psycopg
import pytest
from hypothesis import settings

from largesse.adapters.postgres.async_book import AsyncBook, open_pool, run
from largesse.adapters.postgres.checks import CHECKS, ENTRIES, STORED
from largesse.adapters.postgres.rollup import roll_up
from largesse.adapters.postgres.server import EmbeddedServer
from largesse.ledger.gifts import GiftResult
from largesse.ledger.ports import Posted
from tests.adapters.postgres.gift_writer import (
    AT,
    BATCH,
    FANS,
    POLICIES,
    RECHARGED,
    gift_of,
    read_told,
    recharge_of,
)
from tests.adapters.postgres.ledger_world import recharge
from tests.adapters.postgres.supervised import wait_until
from tests.plugin_postgres import fast_place

CYCLES, NIGHTLY_CYCLES = 100, 1_000
WRITERS, ROLLERS = 8, 2
SEED = 20261122
FILLED = 10**9
RESTART_SECONDS = 10
POSTED_AFTER = 7
"""From this statement of a roll-up on its journals are posted, and nothing is committed."""

ROOT = Path(__file__).parents[3]
_PROGRAM = "tests.adapters.postgres.gift_writer"
_MIGRATE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""
_CHECK = """
import django
django.setup()
from largesse.adapters.postgres.checks import run_checks
print([f"{finding.account}: {finding.message}" for finding in run_checks()])
"""
_GAPLESS = """
SELECT 'bucket ' || b.bucket, 'last sequence ' || b.last_seq || ', rows ' || count(e.seq)
    || ' up to ' || coalesce(max(e.seq), 0)
FROM ledger_bucket b LEFT JOIN (
    SELECT bucket, seq FROM ledger_gift UNION ALL SELECT bucket, seq FROM ledger_journal
) e ON e.bucket = b.bucket
GROUP BY b.bucket, b.last_seq
HAVING b.last_seq <> count(e.seq) OR b.last_seq <> coalesce(max(e.seq), 0)
"""


def run_django(url: str, program: str) -> str:
    """Run a program on the killed server's database; this process is on the tests' own."""
    known = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "largesse.web.settings"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | known,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """A server of this test's own, in memory if there is room.

    After a kill PostgreSQL syncs every file it has, which on a busy disk takes seconds and proves
    nothing here: what was written outlives a killed process either way.
    """
    with TemporaryDirectory(prefix="largesse-kill-", dir=fast_place()) as directory:
        data, settings = Path(directory) / "data", {"shared_buffers": "32MB"}
        with EmbeddedServer(data, settings=settings) as running:
            run_django(running.url, _MIGRATE)
            yield running


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(entry.parent.name))
    return found


def kill(pid: int) -> None:
    """SIGKILL, if it has not ended by itself in the meantime."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_whole_server(server: EmbeddedServer) -> None:
    """SIGKILL to the postmaster and every process of it, which cannot say goodbye."""
    os.kill(server.pid, signal.SIGSTOP)
    for pid in children(server.pid):
        kill(pid)
    kill(server.pid)
    assert wait_until(lambda: server.poll() is not None)


class Crowd:
    """The writers and rollers of `gift_writer`, under one parent."""

    def __init__(self, url: str, directory: Path, seed: int) -> None:
        directory.mkdir()
        self.paths = [directory / f"told-{number}" for number in range(WRITERS + ROLLERS)]
        for path in self.paths:
            path.touch()
        words = [url, str(directory), str(seed), str(WRITERS), str(ROLLERS)]
        self.parent = subprocess.Popen([sys.executable, "-m", _PROGRAM, *words], cwd=ROOT)

    def wait_for_news(self) -> None:
        """Wait until fans were told something: a cycle in which nothing was proves nothing."""

        def told_by() -> list[int]:
            return [path.stat().st_size for path in self.paths[:WRITERS]]

        before = told_by()
        assert wait_until(lambda: told_by() != before, 30), "the writers stand still"
        assert self.parent.poll() is None

    def kill_one(self, random: Random) -> None:
        """Kill a writer or a roller; the parent starts it again."""
        victims = sorted(children(self.parent.pid))
        if victims:
            kill(random.choice(victims))

    def kill_all(self) -> None:
        """Kill the parent, with whom the others die."""
        victims = children(self.parent.pid)
        self.parent.kill()
        self.parent.wait()
        assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in victims))

    def told(self, kind: str) -> list[list[int]]:
        return [n for path in self.paths for found, n in read_told(path) if found == kind]


def findings(url: str, *, is_cheap: bool) -> list[object]:
    """What breaks the books; the cheap form reads balances only."""
    broken: list[object] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for one in CHECKS:
            if is_cheap and (":entries" in one.sql or "ledger_gift" in one.sql):
                continue
            sql = one.sql.replace(":stored", STORED).replace(":entries", ENTRIES)
            broken += connection.execute(sql.encode()).fetchall()
        broken += connection.execute(_GAPLESS).fetchall()
    return broken


async def fill_wallets(url: str) -> None:
    pool = open_pool(url, size=1)
    await pool.open()
    await AsyncBook(pool).post([recharge(f"r{fan}", fan, FILLED) for fan in range(1, FANS + 1)])
    await pool.close()


async def send_again(
    url: str, gifts: list[int], recharges: list[int]
) -> tuple[list[GiftResult], list[Posted]]:
    """Everything once more with its key, as a client after a crash of its own, and one roll-up."""
    pool = open_pool(url, size=2)
    await pool.open()
    try:
        book = AsyncBook(pool)
        results: list[GiftResult] = []
        for start in range(0, len(gifts), 1000):
            results += await book.post_gifts([gift_of(n) for n in gifts[start : start + 1000]])
        posted: list[Posted] = []
        for start in range(0, len(recharges), 1000):
            posted += await book.post([recharge_of(n) for n in recharges[start : start + 1000]])
        async with book.connection() as connection, connection.transaction():
            await run(connection, roll_up(AT, POLICIES))
        return results, posted
    finally:
        await pool.close()


def sequences(told: list[list[int]]) -> dict[int, int]:
    """The one sequence of each number that was told; no number was posted twice."""
    posted = Counter(number for number, _, is_new in told if is_new)
    assert set(posted.values()) == {1}
    found = {number: seq for number, seq, _ in told}
    assert all(found[number] == seq for number, seq, _ in told)
    return found


def run_cycles(server: EmbeddedServer, crowd: Crowd, random: Random, cycles: int) -> list[float]:
    """Kill and restart while all are at work; returns how many seconds each restart took."""
    restarts = []
    url = server.url
    for cycle in range(cycles):
        crowd.wait_for_news()
        time.sleep(random.uniform(0.0, 0.25))
        if cycle % 3 == 0:
            crowd.kill_one(random)
        kill_whole_server(server)
        began = time.monotonic()
        server.restart()
        restarts.append(time.monotonic() - began)
        assert server.url == url
        assert findings(url, is_cheap=True) == []
    crowd.wait_for_news()
    return sorted(restarts)


@dataclass(frozen=True)
class Books:
    """What the books hold: gifts by id, the lots of recharges, and the gifts that were earned."""

    gifts: dict[UUID, int]
    lots: int
    recharged: int
    earned: int
    in_clearing: int


def read_books(url: str) -> Books:
    with psycopg.connect(url) as connection:
        gifts = connection.execute("SELECT id, seq FROM ledger_gift").fetchall()
        sums = connection.execute(
            "SELECT count(*), count(DISTINCT reference), "
            "(SELECT coalesce(sum(gifts), 0) FROM ledger_earning), "
            "(SELECT sum(gift_clearing) FROM ledger_bucket) "
            "FROM ledger_lot WHERE stop - start = %s",
            (RECHARGED,),
        ).fetchone()
    assert sums is not None
    return Books(dict(gifts), *sums)


@pytest.mark.slow
def test_no_acknowledged_posting_is_lost_and_none_is_doubled(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    is_nightly = settings.get_current_profile_name() == "nightly"
    cycles = NIGHTLY_CYCLES if is_nightly else CYCLES
    random = Random(SEED)
    asyncio.run(fill_wallets(server.url))
    crowd = Crowd(server.url, tmp_path / "told", SEED)
    try:
        restarts = run_cycles(server, crowd, random, cycles)
    finally:
        crowd.kill_all()

    gifts, recharges = sequences(crowd.told("g")), sequences(crowd.told("r"))
    rolled_up, deaths = crowd.told("u"), crowd.told("d")
    books = read_books(server.url)
    lost = sum(books.gifts.get(gift_of(number).id) != seq for number, seq in gifts.items())
    sys.stdout.write(
        f"seed {SEED}: {cycles} cycles, acknowledged {len(gifts)} gifts, {len(recharges)} "
        f"recharges and {len(rolled_up)} roll-ups; lost {lost}, doubled "
        f"{books.lots - books.recharged}; {len(deaths)} rollers died inside a roll-up; "
        f"restart median {median(restarts):.2f} s, max {restarts[-1]:.2f} s\n"
    )
    assert lost == 0
    assert restarts[int(len(restarts) * 0.99) - 1] <= RESTART_SECONDS
    assert len(gifts) > 50 * cycles
    assert len(rolled_up) > cycles // 2
    assert len({number for [number] in deaths}) >= 4
    assert max(deaths) >= [POSTED_AFTER]
    # Whoever was killed last may have posted what it never heard of: a batch and a recharge each.
    assert 0 <= len(books.gifts) - len(gifts) <= WRITERS * BATCH
    assert books.lots == books.recharged
    assert 0 <= books.lots - len(recharges) <= WRITERS
    assert sum(gift for gift, _, _ in rolled_up) <= books.earned <= len(books.gifts)
    assert findings(server.url, is_cheap=False) == []

    chosen = sorted(random.sample(sorted(gifts), 4_000))
    again, posted = asyncio.run(send_again(server.url, chosen, sorted(recharges)))
    assert {result.outcome for result in again} == {"replayed"}
    assert [result.seq for result in again] == [gifts[number] for number in chosen]
    assert [one.seq for one in posted] == [recharges[number] for number in sorted(recharges)]
    assert all(one.replayed for one in posted)
    end = read_books(server.url)
    assert end.gifts == books.gifts
    assert (end.earned, end.in_clearing) == (len(books.gifts), 0)
    assert run_django(server.url, _CHECK) == "[]"
