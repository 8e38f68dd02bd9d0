"""Processes that post batches of gifts to one creator, and ones that roll up, for tests.

Owns the programs. Must not know what is asserted. Protects one invariant: what a process was told
is in its file before it asks for the next thing, so that whoever kills it knows what it knew.

Called with an address, a file and either `write`, a number and how many batches, or `roll`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TextIO

from largesse.adapters.postgres.async_book import AsyncBook, open_pool, run
from largesse.adapters.postgres.rollup import roll_up
from largesse.ledger.gifts import GiftPosting
from largesse.money.ids import HolderId, RoomId, keyed_id
from tests.adapters.postgres.gift_writer import AT, POLICIES, client_key

HOT = HolderId(1001)
FANS = range(1, 41)
BATCHES_AT_ONCE = 4


def batch_of(writer: int, number: int) -> list[GiftPosting]:
    """The batch of a writer and number: 1 to 40 gifts of fans whom the others have too."""
    random = Random(f"{writer}/{number}")
    order = [random.choice(FANS) for _ in range(random.randint(1, 40))]
    return [
        GiftPosting(
            keyed_id(fan, client_key(f"{writer}/{number}/{place}")),
            HolderId(fan),
            HOT,
            RoomId(1),
            1,
            1,
            1 + random.randrange(3),
            1,
            0,
            AT,
        )
        for place, fan in enumerate(order)
    ]


async def write(url: str, told: TextIO, writer: int, batches: int) -> None:
    """Post batches, several at once on connections of their own, as a busy process does."""
    pool = open_pool(url, size=BATCHES_AT_ONCE)
    await pool.open()
    book = AsyncBook(pool)

    async def post(number: int) -> None:
        results = await book.post_gifts(batch_of(writer, number))
        assert {result.outcome for result in results} <= {"posted", "replayed"}, results
        _tell(told, [number, *(result.seq for result in results)])

    for start in range(0, batches, BATCHES_AT_ONCE):
        await asyncio.gather(*(post(number) for number in range(start, start + BATCHES_AT_ONCE)))
    await pool.close()


async def roll(url: str, told: TextIO) -> None:
    """Roll up until killed."""
    pool = open_pool(url, size=1)
    await pool.open()
    book = AsyncBook(pool)
    while True:
        async with book.connection() as connection, connection.transaction():
            done = await run(connection, roll_up(AT, POLICIES))
        if done is not None and done.gifts:
            _tell(told, [done.gifts, done.coins])
        await asyncio.sleep(0.005)


def _tell(told: TextIO, numbers: Sequence[int]) -> None:
    told.write(" ".join(str(number) for number in numbers) + "\n")
    told.flush()


if __name__ == "__main__":
    _program, _url, _path, _kind, *_numbers = sys.argv
    with Path(_path).open("a", encoding="ascii") as _told:
        if _kind == "write":
            asyncio.run(write(_url, _told, int(_numbers[0]), int(_numbers[1])))
        else:
            asyncio.run(roll(_url, _told))
