"""Kill -9 of PostgreSQL and of whoever posts: nothing acknowledged is lost, nothing doubled."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psycopg
import pytest

from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.adapters.postgres.server import EmbeddedServer
from largesse.ledger.gifts import GiftResult
from tests.adapters.postgres.gift_writer import FANS, credit_creators, gift_of
from tests.adapters.postgres.ledger_world import recharge
from tests.adapters.postgres.supervised import wait_until

CYCLES = 5
WRITERS = 2
RANGE = 1_000_000
"""The numbers of a writer start at so many times its own."""
OVERLAP = 24
"""A writer that was killed starts again this far back, as a client that was never answered."""

ROOT = Path(__file__).parents[3]
_WRITER = "tests.adapters.postgres.gift_writer"
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
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "data", settings={"shared_buffers": "32MB"}) as running:
        run_django(running.url, _MIGRATE)
        yield running


def kill_whole_server(server: EmbeddedServer) -> None:
    """SIGKILL to the postmaster and every process of it, which cannot say goodbye."""
    os.kill(server.pid, signal.SIGSTOP)
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == server.pid:
            os.kill(int(entry.parent.name), signal.SIGKILL)
    os.kill(server.pid, signal.SIGKILL)
    assert wait_until(lambda: server.poll() is not None)


class Writer:
    """A process of `gift_writer`, started again where it was killed."""

    def __init__(self, number: int, path: Path) -> None:
        self.path = path
        self.first = number * RANGE
        self.path.touch()
        self.process: subprocess.Popen[bytes] | None = None

    def acknowledged(self) -> list[tuple[int, str, int]]:
        """What fans were told; a line that was cut off was not told."""
        lines = self.path.read_text(encoding="ascii").splitlines(keepends=True)
        whole = [line.split() for line in lines if line.endswith("\n")]
        return [(int(number), outcome, int(seq)) for number, outcome, seq in whole]

    def start(self, url: str) -> None:
        done = [number for number, _, _ in self.acknowledged()]
        begin = max(self.first, max(done, default=0) - OVERLAP)
        self.mend()
        self.process = subprocess.Popen(
            [sys.executable, "-m", _WRITER, url, self.path, str(begin), str(self.first + RANGE)],
            cwd=ROOT,
        )

    def mend(self) -> None:
        """End a line that was cut off, so that the next one is read."""
        text = self.path.read_text(encoding="ascii")
        if text and not text.endswith("\n"):
            self.path.write_text(text[: text.rfind("\n") + 1], encoding="ascii")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


async def send_again(url: str, numbers: list[int]) -> list[GiftResult]:
    """Every gift once more with its key, as a client would after a crash of its own."""
    pool = open_pool(url, size=2)
    await pool.open()
    try:
        book = AsyncBook(pool)
        results: list[GiftResult] = []
        for start in range(0, len(numbers), 1000):
            batch = numbers[start : start + 1000]
            results += await book.post_gifts([gift_of(number) for number in batch])
        await credit_creators(book)
        return results
    finally:
        await pool.close()


async def fill_wallets(url: str) -> None:
    pool = open_pool(url, size=1)
    await pool.open()
    await AsyncBook(pool).post([recharge(f"r{fan}", fan, 10**9) for fan in range(1, FANS + 1)])
    await pool.close()


def wait_for_news(writer: Writer) -> None:
    """Wait until the writer got on: a cycle in which nothing was posted proves nothing."""
    size = writer.path.stat().st_size
    assert wait_until(lambda: writer.path.stat().st_size > size, 30), "the writer stands still"


@pytest.mark.slow
def test_no_acknowledged_gift_is_lost_and_none_is_doubled(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    random = Random(20261122)
    asyncio.run(fill_wallets(server.url))
    writers = [Writer(number, tmp_path / f"acknowledged-{number}") for number in range(WRITERS)]
    try:
        for _ in range(CYCLES):
            for writer in writers:
                writer.kill()
                writer.start(server.url)
                wait_for_news(writer)
            time.sleep(random.uniform(0.1, 0.5))
            kill_whole_server(server)
            url = server.url
            server.restart()
            assert server.url == url
            for writer in writers:
                wait_for_news(writer)
            time.sleep(random.uniform(0.0, 0.2))
    finally:
        for writer in writers:
            writer.kill()

    told = [line for writer in writers for line in writer.acknowledged()]
    assert len(told) > 100 * CYCLES
    assert {outcome for _, outcome, _ in told} == {"posted", "replayed"}
    posted = Counter(number for number, outcome, _ in told if outcome == "posted")
    assert set(posted.values()) == {1}
    seqs = {number: seq for number, _, seq in told}
    assert all(seqs[number] == seq for number, _, seq in told)

    numbers = sorted(seqs)
    again = asyncio.run(send_again(server.url, numbers))
    assert {result.outcome for result in again} == {"replayed"}
    assert [result.seq for result in again] == [seqs[number] for number in numbers]
    with psycopg.connect(server.url) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT id), sum(coins) FROM ledger_gift"
        ).fetchone()
        clearing = connection.execute("SELECT sum(gift_clearing) FROM ledger_bucket").fetchone()
    assert found is not None
    # A gift may stand in the books whose writer died before it could write its answer down.
    assert 0 <= found[0] - len(numbers) <= 2 * CYCLES * WRITERS * OVERLAP
    assert found[0] == found[1]
    assert clearing == (0,)
    assert run_django(server.url, _CHECK) == "[]"
