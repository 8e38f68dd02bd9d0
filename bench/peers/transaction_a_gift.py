"""The ledger's own posting without group commit: every gift in a transaction of its own.

Owns the connections over which single gifts are posted through the ledger's function. Must not
gather gifts. Invariant: the fans and coins are the engine's, in a database of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from bench.peers.protocol import Counted, serve
from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.ledger.gifts import GiftPosting
from largesse.simulator.bench.gifts import GiftMaker, Shape
from largesse.simulator.bench.ledgers import check_coins, weigh

_FASTEST_SENDER = 1_000
"""Gifts a second and connection that are made before the clock starts."""


class TransactionAGift:
    """Senders that post one gift at a time, each over its own connection."""

    def __init__(self, url: str, _engine_url: str) -> None:
        self._url = url
        self._maker = GiftMaker(1)
        self._before = weigh(url).gifts
        self._given = 0

    def round(self, seconds: float, connections: int) -> Counted:
        """Run one round; see `Peer.round`."""
        gifts = self._maker.make(Shape.UNIFORM, int(_FASTEST_SENDER * seconds * connections))
        counted = asyncio.run(self._round(iter(gifts), seconds, connections))
        self._given += counted.gifts
        return counted

    async def _round(
        self, supply: Iterator[GiftPosting], seconds: float, connections: int
    ) -> Counted:
        pool = open_pool(self._url, size=connections)
        await pool.open()
        book = AsyncBook(pool)
        latencies: list[float] = []
        begin = time.perf_counter()
        end = begin + seconds

        async def send() -> None:
            for gift in supply:
                asked = time.perf_counter()
                if asked >= end:
                    return
                (result,) = await book.post_gifts([gift])
                if result.outcome != "posted":
                    raise RuntimeError(f"A gift of the benchmark was {result.outcome}.")
                latencies.append(time.perf_counter() - asked)

        await asyncio.gather(*(send() for _ in range(connections)))
        elapsed = time.perf_counter() - begin
        await pool.close()
        return Counted(len(latencies), elapsed, latencies)

    def check(self) -> int:
        """Return the gifts of all rounds, which the books hold; see `Peer.check`."""
        check_coins(self._url, self._before + self._given)
        return self._given


if __name__ == "__main__":
    serve(TransactionAGift)
