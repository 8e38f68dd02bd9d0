"""The posting engine under load: senders in a closed loop, and the group commit between.

Owns the loop of senders, what is inside the measured time, and one round's result. Must not know
reports. Invariant: a latency runs from asking to the answer after commit, and a round counts only
gifts that were answered `posted`.

Inside the measured time: waiting for the batch before, gathering, the batch's columns, the
statement, its commit and the answers, and waking each sender. Outside: making a gift and its key
(clients do), HTTP, rooms and limits (the live service adds them), the roll-up and the sealing
(they follow the commit).
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from largesse.adapters import clock
from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.adapters.postgres.group_commit import MAX_BATCH, GroupCommit
from largesse.ledger import rules
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, fan_bucket, uuid7
from largesse.simulator.bench.gifts import COINS_OF_A_FAN, FANS, GiftMaker, Shape

_JOURNALS = 1_024
_FASTEST_SENDER = 3_000
_FASTEST_ENGINE = 120_000
"""Gifts a second that are made beforehand while the engine's own pace is unknown."""

Give = Callable[[GiftPosting], Awaitable[GiftResult]]
_Waiting = tuple[GiftPosting, asyncio.Future[GiftResult]]


class PostsGifts(Protocol):
    """What group commit needs of a book."""

    async def post_gifts(self, gifts: Sequence[GiftPosting]) -> list[GiftResult]: ...


@dataclass(frozen=True, slots=True)
class Round:
    """What one round counted. `latencies` are seconds; `client_seconds` is this process's work."""

    gifts: int
    seconds: float
    latencies: Sequence[float]
    client_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Gifts a second."""
        return self.gifts / self.seconds


def percentiles_ms(latencies: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile of seconds, in milliseconds."""
    if len(latencies) < 2:
        only = 1000 * latencies[0] if latencies else 0.0
        return only, only
    cuts = statistics.quantiles(latencies, n=100)
    return 1000 * cuts[49], 1000 * cuts[98]


class Intake:
    """Posts together what waits, by the same group commit as the live service."""

    def __init__(self, book: PostsGifts) -> None:
        self._book = book
        self._commit: GroupCommit[_Waiting] = GroupCommit(self._post)
        self._new_answer = asyncio.get_running_loop().create_future
        self._running = asyncio.create_task(self._commit.run())

    async def give(self, posting: GiftPosting) -> GiftResult:
        """Post a gift and return after its commit; raises what the book raises."""
        answer: asyncio.Future[GiftResult] = self._new_answer()
        self._commit.put(fan_bucket(posting.fan), (posting, answer))
        return await answer

    async def close(self) -> None:
        """End the loops when everything that waits is posted."""
        self._commit.close()
        await self._running

    async def _post(self, batch: list[_Waiting]) -> Sequence[_Waiting]:
        try:
            results = await self._book.post_gifts([posting for posting, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to everybody who waits for it
            for _, answer in batch:
                answer.set_exception(error)
            return ()
        for (_, answer), result in zip(batch, results, strict=True):
            answer.set_result(result)
        return ()


async def measure(give: Give, gifts: Sequence[GiftPosting], senders: int, seconds: float) -> Round:
    """Let so many senders give these gifts, until the time is over or the gifts are.

    Each waits for its answer before it gives again. Raises RuntimeError for a gift that was
    refused: the load has coins for all.
    """
    supply = iter(gifts)
    latencies: list[float] = []
    done = latencies.append
    now = time.perf_counter
    own = time.process_time()
    begin = now()
    end = begin + seconds

    async def send() -> None:
        for gift in supply:
            asked = now()
            if asked >= end:
                return
            result = await give(gift)
            done(now() - asked)
            if result.outcome != "posted":
                raise RuntimeError(f"A gift of the benchmark was {result.outcome}.")

    await asyncio.gather(*(send() for _ in range(senders)))
    return Round(len(latencies), now() - begin, latencies, time.process_time() - own)


class Engine:
    """The engine on one database, kept between rounds; a context manager.

    `given` counts the gifts of all its rounds.
    """

    def __init__(self, url: str, *, seed: int = 0, connections: int = 4) -> None:
        self._runner = asyncio.Runner()
        self._pool = open_pool(url, size=connections)
        self._pool.timeout = 60
        self._maker = GiftMaker(seed)
        self._paces: dict[int, float] = {}
        self.book = AsyncBook(self._pool)
        self.given = 0

    def __enter__(self) -> Self:
        self._runner.run(self._pool.open(wait=True, timeout=60))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runner.run(self._pool.close())
        self._runner.close()

    def make(self, shape: Shape, senders: int, seconds: float) -> list[GiftPosting]:
        """Make what a round will need: half as much again as the fastest round so far gave."""
        unknown = min(_FASTEST_SENDER * senders, _FASTEST_ENGINE)
        pace = 1.5 * self._paces.get(senders, unknown / 1.5)
        return self._maker.make(shape, max(senders, int(pace * seconds)))

    def round(self, shape: Shape, senders: int, seconds: float) -> Round:
        """Run one round."""
        return self.give(self.make(shape, senders, seconds), senders, seconds)

    def give(self, gifts: Sequence[GiftPosting], senders: int, seconds: float) -> Round:
        """Run one round with gifts that were made before."""
        # What was made beforehand is the load's; the collector would look through it again and
        # again in time that is the engine's.
        gc.collect()
        gc.freeze()
        try:
            found = self._runner.run(_round(self.book, gifts, senders, seconds))
        finally:
            gc.unfreeze()
        self.given += found.gifts
        self._paces[senders] = max(found.rate, self._paces.get(senders, 0.0))
        return found

    def recharge(self, fans: Sequence[HolderId]) -> None:
        """Give every fan coins for all rounds, each in a lot of its own."""
        at = clock.now()
        price = Amount(2 * COINS_OF_A_FAN, asset("USD"))
        tail = random.Random(FANS).randbytes  # noqa: S311 - a load, not a secret
        for start in range(0, len(fans), _JOURNALS):
            self._runner.run(
                self.book.post(
                    [
                        rules.recharge_captured(
                            uuid7(int(at.timestamp() * 1000), tail(10)),
                            at,
                            fan,
                            COINS_OF_A_FAN,
                            rules.Payment(price, Amount(0, price.asset), "bench", f"bench {fan}"),
                        )
                        for fan in fans[start : start + _JOURNALS]
                    ]
                )
            )

    def post(self, gifts: Sequence[GiftPosting]) -> None:
        """Post gifts outside of any round, in batches."""
        for start in range(0, len(gifts), MAX_BATCH):
            batch = gifts[start : start + MAX_BATCH]
            results = self._runner.run(self.book.post_gifts(batch))
            self.given += sum(result.outcome == "posted" for result in results)


async def _round(
    book: PostsGifts, gifts: Sequence[GiftPosting], senders: int, seconds: float
) -> Round:
    intake = Intake(book)
    try:
        return await measure(intake.give, gifts, senders, seconds)
    finally:
        await intake.close()


class _NoDatabase:
    """A book that posts nothing and answers at once: what is left is the load itself."""

    async def post_gifts(self, gifts: Sequence[GiftPosting]) -> list[GiftResult]:
        await asyncio.sleep(0)
        return [_POSTED] * len(gifts)


_POSTED = GiftResult("posted", 1, 0, 1)


def load_cost(senders: int, gifts: int = 50_000) -> float:
    """Return what the senders and the gathering cost by themselves, in seconds of work a gift."""
    made = GiftMaker(0).make(Shape.UNIFORM, gifts)
    found = asyncio.run(_round(_NoDatabase(), made, senders, 60))
    return found.client_seconds / found.gifts
