"""A process that posts gifts and writes down each acknowledgement, for tests that kill it.

Owns the program. Must not know what is asserted. Protects one invariant: a name is in its file only
after the posting of its gift has returned, which is what a fan would have been told.

Called with an address, a file and a range of numbers; it posts each number's gift until it is
acknowledged, in batches as the live service does, and retries with the same keys.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from datetime import UTC, datetime
from uuid import UUID

from largesse.adapters.postgres.async_book import AsyncBook, open_pool, run
from largesse.adapters.postgres.rollup import roll_up
from largesse.earnings.rules import SharePolicy
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.money.errors import TransientError
from largesse.money.ids import HolderId, RoomId, keyed_id, uuid7

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
FANS, CREATORS, BATCH = 20, 3, 8
POLICIES = {1: SharePolicy(1, "tests-1", 5000, 14, "USD", 15_000, 1000, 500)}


def client_key(number: int) -> UUID:
    return uuid7(int(AT.timestamp()) * 1000, hashlib.sha256(str(number).encode()).digest())


def gift_of(number: int) -> GiftPosting:
    """The gift of a number: the same whoever makes it."""
    fan = 1 + number % FANS
    return GiftPosting(
        keyed_id(fan, client_key(number)),
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


async def credit_creators(book: AsyncBook) -> None:
    """Roll up, as the live service does beside its postings."""
    try:
        async with book.connection() as connection, connection.transaction():
            await run(connection, roll_up(AT, POLICIES))
    except TransientError:
        return


async def _post_until_answered(book: AsyncBook, gifts: list[GiftPosting]) -> list[GiftResult]:
    while True:
        try:
            return await book.post_gifts(gifts)
        except TransientError:
            await asyncio.sleep(0.02)


async def post_all(url: str, path: str, first: int, last: int) -> None:
    """Post the gifts of these numbers, each until it is acknowledged."""
    pool = open_pool(url, size=2)
    pool.timeout = 0.5
    await pool.open()
    book = AsyncBook(pool)
    with open(path, "a", encoding="ascii") as acknowledged:  # noqa: ASYNC230 - it must be durable
        for start in range(first, last, BATCH):
            numbers = range(start, min(start + BATCH, last))
            results = await _post_until_answered(book, [gift_of(number) for number in numbers])
            for number, result in zip(numbers, results, strict=True):
                acknowledged.write(f"{number} {result.outcome} {result.seq}\n")
            acknowledged.flush()
            os.fsync(acknowledged.fileno())
            if start % (10 * BATCH) == 0:
                await credit_creators(book)
    await pool.close()


if __name__ == "__main__":
    asyncio.run(post_all(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
