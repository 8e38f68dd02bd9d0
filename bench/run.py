"""How many gifts a second this machine posts: `make bench`, or `make bench ARGS=--json`.

Owns the load and its report. Must not know a second way to post: it calls the same book as the live
service, on the embedded server with its durability on. Invariant: every figure is of gifts whose
posting had committed, and at the end of a run the coins in the books are those that were counted.

Senders wait for their answer before they give again (a closed loop). Those who wait are posted
together by one loop (group commit), as in the live service, without its HTTP, rooms and limits. The
ratio compares with a transaction a gift over 8 connections, on the same server in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psycopg

from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.adapters.postgres.migrations import __file__ as migrations_file
from largesse.adapters.postgres.server import EmbeddedServer
from largesse.ledger import rules
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, RoomId, keyed_id, uuid7

SENDERS = (1, 32, 256, 2048)
FANS = 20_000
CREATORS = 2_000
HOT_CREATOR = HolderId(1_000_001)
COINS_OF_A_FAN = 10**9
BATCH_LIMIT = 2_048
CONNECTIONS = 8
SQL_FILES = ("tables.sql", "move_balances.sql", "post_journals.sql", "post_gifts.sql")

Give = Callable[[GiftPosting], Awaitable[GiftResult]]


@dataclass(frozen=True)
class Figure:
    """One row of the report; latencies in milliseconds, from asking to the answer after commit."""

    way: str
    creators: str
    senders: int
    gifts: int
    gifts_per_second: int
    p50_ms: float
    p99_ms: float
    ratio: float | None = None


class GroupCommit:
    """Posts together what waits: one batch in flight, the next one gathers meanwhile."""

    def __init__(self, book: AsyncBook) -> None:
        self._book = book
        self._waiting: list[tuple[GiftPosting, asyncio.Future[GiftResult]]] = []
        self._news = asyncio.Event()
        self._loop = asyncio.create_task(self._post_batches())

    async def give(self, posting: GiftPosting) -> GiftResult:
        answer: asyncio.Future[GiftResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((posting, answer))
        self._news.set()
        return await answer

    async def close(self) -> None:
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)

    async def _post_batches(self) -> None:
        while True:
            await self._news.wait()
            # As in the live service: what arrived together travels together.
            await asyncio.sleep(0)
            batch, self._waiting = self._waiting[:BATCH_LIMIT], self._waiting[BATCH_LIMIT:]
            if not self._waiting:
                self._news.clear()
            results = await self._book.post_gifts([posting for posting, _ in batch])
            for (_, answer), result in zip(batch, results, strict=True):
                answer.set_result(result)


class Keys:
    """Makes gifts of one coin with keys that are new, in time order."""

    def __init__(self) -> None:
        self._numbers = count()

    def gift(self, fan: int, creator: int) -> GiftPosting:
        now = time.time()
        digest = hashlib.sha256(str(next(self._numbers)).encode()).digest()
        return GiftPosting(
            keyed_id(fan, uuid7(int(now * 1000), digest)),
            HolderId(fan),
            HolderId(creator),
            RoomId(creator),
            1,
            1,
            1,
            1,
            0,
            datetime.fromtimestamp(now, UTC),
        )


async def measure(
    give: Give, way: str, creators: str, senders: int, seconds: float, keys: Keys
) -> Figure:
    """Let so many senders give for some seconds; each waits for its answer."""
    latencies: list[float] = []
    begin = time.perf_counter()
    end = begin + seconds

    async def send(sender: int) -> None:
        number = sender
        while (asked := time.perf_counter()) < end:
            fan = 1 + (number * 7919) % FANS
            creator = HOT_CREATOR if creators == "one hot" else 1 + (number * 104_729) % CREATORS
            result = await give(keys.gift(fan, creator))
            if result.outcome != "posted":
                raise RuntimeError(f"a gift of the bench was {result.outcome}")
            latencies.append(time.perf_counter() - asked)
            number += senders

    await asyncio.gather(*(send(sender) for sender in range(senders)))
    elapsed = time.perf_counter() - begin
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else [latencies[0]] * 99
    rate = round(len(latencies) / elapsed)
    return Figure(
        way,
        creators,
        senders,
        len(latencies),
        rate,
        round(1000 * cuts[49], 2),
        round(1000 * cuts[98], 2),
    )


async def run_bench(url: str, seconds: float, senders: tuple[int, ...]) -> list[Figure]:
    """Measure all rows, interleaved with their comparison, and check the coins at the end."""
    pool = open_pool(url, size=CONNECTIONS)
    pool.timeout = 60
    await pool.open()
    try:
        book, keys, figures = AsyncBook(pool), Keys(), []
        await fill_wallets(book)
        for creators in ("uniform", "one hot"):
            for number in senders:
                engine = GroupCommit(book)
                mine = await measure(engine.give, "posting engine", creators, number, seconds, keys)
                await engine.close()

                async def give_alone(posting: GiftPosting) -> GiftResult:
                    return (await book.post_gifts([posting]))[0]

                other = await measure(
                    give_alone, "transaction a gift", creators, number, seconds, keys
                )
                ratio = round(mine.gifts_per_second / max(1, other.gifts_per_second), 1)
                figures += [Figure(**{**asdict(mine), "ratio": ratio}), other]
        return figures
    finally:
        await pool.close()


async def fill_wallets(book: AsyncBook) -> None:
    """A recharge for every fan, in batches."""
    at = datetime.now(UTC)
    price = Amount(2 * COINS_OF_A_FAN, asset("USD"))
    for start in range(1, FANS + 1, 1000):
        await book.post(
            [
                rules.recharge_captured(
                    keyed_id(fan, uuid7(int(at.timestamp() * 1000), bytes(10))),
                    at,
                    HolderId(fan),
                    COINS_OF_A_FAN,
                    rules.Payment(price, Amount(0, price.asset), "bench", f"bench {fan}"),
                )
                for fan in range(start, start + 1000)
            ]
        )


def check_books(url: str, figures: list[Figure]) -> None:
    """Raise unless the coins that left the wallets are the gifts that were counted."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM ledger_gift), (SELECT sum(coins) FROM ledger_gift), "
            "(SELECT sum(paid_next) FROM ledger_wallet), "
            "(SELECT sum(gift_clearing) FROM ledger_bucket)"
        ).fetchone()
    counted = sum(figure.gifts for figure in figures)
    if row is None or {int(value) for value in row} != {counted}:
        raise RuntimeError(f"the books say {row}, the bench counted {counted} gifts of one coin")


@contextmanager
def fresh_server(directory: Path) -> Iterator[str]:
    """The embedded server with the ledger's tables in it."""
    sql = Path(migrations_file).parent.parent / "sql"
    with EmbeddedServer(directory) as server:
        with psycopg.connect(server.url) as connection:
            for name in SQL_FILES:
                connection.execute((sql / name).read_bytes())
        yield server.url


def print_table(figures: list[Figure]) -> None:
    print("| way | creators | senders | gifts/s | p50 ms | p99 ms | times a transaction a gift |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for f in figures:
        ratio = "" if f.ratio is None else f"{f.ratio:.1f}"
        print(
            f"| {f.way} | {f.creators} | {f.senders:,} | {f.gifts_per_second:,} | "
            f"{f.p50_ms:,.1f} | {f.p99_ms:,.1f} | {ratio} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (4)")
    parser.add_argument("--senders", type=int, nargs="+", default=SENDERS)
    parser.add_argument("--data", type=Path, help="a directory on the disk to be measured")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="largesse-bench-", dir=options.data) as directory,
        fresh_server(Path(directory) / "data") as url,
    ):
        figures = asyncio.run(run_bench(url, options.seconds, tuple(options.senders)))
        check_books(url, figures)
    machine = (
        f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"
    )
    if options.json:
        print(json.dumps({"machine": machine, "figures": [asdict(f) for f in figures]}, indent=1))
        return
    print(f"{machine}; fsync on; {options.seconds:g} s each\n")
    print_table(figures)


if __name__ == "__main__":
    main()
