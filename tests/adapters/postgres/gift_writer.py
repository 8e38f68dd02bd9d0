"""Processes that post and write down each acknowledgement, for tests that kill them.

Owns the programs: writers of gifts and recharges, rollers, and the parent that starts each again
where it died. Must not know what is asserted. Protects one invariant: a line is in a file only
after its posting has returned, which is what a fan would have been told.

Called with an address, a directory, a seed and how many writers and rollers to keep. Each keeps a
file in the directory, of lines of a letter and numbers: `g` or `r` (a gift or recharge: its number,
its sequence, 1 when it was posted and 0 when it had been before), `u` (a roll-up: gifts, coins and
diamonds) and `d` (a roller is about to die before so many statements of a roll-up).
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import TextIO, TypeVar
from uuid import UUID

from largesse.adapters.postgres.async_book import AsyncBook, Pool, open_pool, run
from largesse.adapters.postgres.rollup import RollUp, roll_up
from largesse.adapters.postgres.statements import Steps
from largesse.earnings.rules import SharePolicy
from largesse.ledger import rules
from largesse.ledger.gifts import GiftPosting
from largesse.ledger.journals import Journal
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import TransientError
from largesse.money.ids import HolderId, RoomId, keyed_id, uuid7

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
FANS, CREATORS, BATCH = 20, 3, 8
RECHARGED = 7
"""Coins of a recharge; one is made with every batch of gifts."""
POLICIES = {1: SharePolicy(1, "tests-1", 5000, 14, "USD", 15_000, 1000, 500)}
RANGE = 1_000_000
"""The numbers of a writer start at so many times its own."""
OVERLAP = 3 * BATCH
"""A writer that was killed starts again this far back, as a client that was never answered."""

_PAUSE_SECONDS = 0.01
_DEATHS = 0.25
_MOST_STATEMENTS = 13
_IDLE_STATEMENTS = 3
"""A roll-up that finds nothing to do is so many statements, and one more."""
_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


def client_key(name: str) -> UUID:
    return uuid7(int(AT.timestamp()) * 1000, hashlib.sha256(name.encode()).digest())


def gift_of(number: int) -> GiftPosting:
    """The gift of a number: the same whoever makes it."""
    fan = 1 + number % FANS
    return GiftPosting(
        keyed_id(fan, client_key(str(number))),
        HolderId(fan),
        HolderId(1001 + number % CREATORS),
        RoomId(1),
        1,
        1,
        1 + number % 3,
        1,
        0,
        AT,
    )


def recharge_of(number: int) -> Journal:
    """The recharge of a number: the same whoever makes it."""
    payment = rules.Payment(Amount(99, asset("USD")), Amount(9, asset("USD")), "web", f"r{number}")
    fan = HolderId(1 + number % FANS)
    return rules.recharge_captured(client_key(f"r{number}"), AT, fan, RECHARGED, payment)


class Client:
    """A book over one connection, which is made anew when the server went away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: Pool | None = None

    async def until_answered(self, ask: Callable[[AsyncBook], Awaitable[T]]) -> T:
        """Ask again, with the same keys, until there is an answer."""
        while True:
            if self._pool is None:
                self._pool = open_pool(self._url, size=1)
                self._pool.timeout = 0.25
                await self._pool.open()
            try:
                return await ask(AsyncBook(self._pool))
            except TransientError:
                await self._pool.close()
                self._pool = None
                await asyncio.sleep(0.02)


async def write(url: str, path: Path, first: int) -> None:
    """Post gifts and recharges from a number on, each until it is acknowledged."""
    client = Client(url)
    with path.open("a", encoding="ascii") as told:
        for start in range(first, first + RANGE, BATCH):
            numbers = range(start, start + BATCH)
            gifts = [gift_of(number) for number in numbers]
            results = await client.until_answered(partial(AsyncBook.post_gifts, gifts=gifts))
            for number, result in zip(numbers, results, strict=True):
                assert result.outcome in {"posted", "replayed"}, result
                _tell(told, "g", number, result.seq, result.outcome == "posted")
            recharge = [recharge_of(start)]
            [posted] = await client.until_answered(partial(AsyncBook.post, journals=recharge))
            _tell(told, "r", start, posted.seq, not posted.replayed)
            await asyncio.sleep(_PAUSE_SECONDS)


async def roll(url: str, path: Path, random: Random) -> None:
    """Roll up for ever, and die by chance between two statements of a roll-up."""
    client = Client(url)
    with path.open("a", encoding="ascii") as told:

        async def once(book: AsyncBook) -> RollUp | None:
            steps = roll_up(AT, POLICIES)
            if random.random() < _DEATHS:
                steps = _dying(steps, random.randrange(1, _MOST_STATEMENTS), told)
            async with book.connection() as connection, connection.transaction():
                return await run(connection, steps)

        while True:
            done = await client.until_answered(once)
            if done is not None and done.gifts:
                _tell(told, "u", done.gifts, done.coins, done.diamonds)
            await asyncio.sleep(_PAUSE_SECONDS)


def _dying(steps: Steps[RollUp | None], fatal: int, told: TextIO) -> Steps[RollUp | None]:
    """Die before statement number `fatal`, or before the commit when there are fewer.

    A roll-up that finds nothing to do is let go, so that those who die have begun something.
    """
    sent: list[tuple[object, ...]] | None = None
    number = 0
    try:
        while True:
            query = steps.send(sent)  # type: ignore[arg-type]
            if number >= fatal and number > _IDLE_STATEMENTS:
                break
            sent = yield query
            number += 1
    except StopIteration as done:
        result: RollUp | None = done.value
        if result is None or not result.gifts:
            return result
    _tell(told, "d", number)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


def _tell(told: TextIO, kind: str, *numbers: int) -> None:
    told.write(" ".join([kind, *(str(int(number)) for number in numbers)]) + "\n")
    told.flush()


def read_told(path: Path) -> list[tuple[str, list[int]]]:
    """Read what a process was told; a line that was cut off was not."""
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(kind, [int(number) for number in numbers]) for kind, *numbers in whole]


def _mend(path: Path) -> None:
    """End a line that was cut off, so that the next one is read."""
    text = path.read_text(encoding="ascii")
    path.write_text(text[: text.rfind("\n") + 1], encoding="ascii")


def _live(number: int, url: str, path: Path, seed: str, writers: int) -> None:
    """Be a writer, or after the last of them a roller, until killed."""
    # A child that outlived its parent would outlive the test.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    path.touch()
    _mend(path)
    if number < writers:
        done = [numbers[0] for kind, numbers in read_told(path) if kind == "g"]
        first = max(number * RANGE, max(done, default=0) - OVERLAP)
        asyncio.run(write(url, path, first - first % BATCH))
    else:
        asyncio.run(roll(url, path, Random(seed)))


def keep(url: str, directory: Path, seed: int, writers: int, rollers: int) -> None:
    """Start all, and again whoever died: what takes long, the imports, is done once."""
    logging.getLogger("psycopg.pool").disabled = True  # It would tell of every kill.
    alive: dict[int, int] = {}
    births = 0
    while True:
        for number in set(range(writers + rollers)) - set(alive.values()):
            births += 1
            pid = os.fork()
            if pid == 0:
                _live(number, url, directory / f"told-{number}", f"{seed}/{births}", writers)
                os._exit(0)
            alive[pid] = number
        pid, status = os.wait()
        assert os.WIFSIGNALED(status), f"process {alive[pid]} ended with {status}"
        del alive[pid]


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]), *(int(word) for word in sys.argv[3:]))
