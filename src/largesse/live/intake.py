"""Gift intake: group commit.

Owns what becomes of a gift that waits, and the transaction that posts it. Must not know HTTP.
Invariants: a gift is acknowledged only after its commit; a fan's gifts are decided in arrival
order; of two requests with one key at most one waits here.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from largesse.adapters.postgres.async_book import AsyncBook
from largesse.adapters.postgres.group_commit import MAX_BATCH, GroupCommit
from largesse.gifting.rules import GiftType
from largesse.gifting.streaks import Tap
from largesse.ledger.errors import KeyInUse
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.live.fanout import RoomChannel
from largesse.live.hall import Hall
from largesse.live.rooms import CommittedGift
from largesse.money.errors import InvariantViolation, TransientError
from largesse.money.ids import HolderId, fan_bucket

CAPACITY = 20_000
"""Gifts that may wait; beyond it the sender is asked to come back."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GiftOrder:
    """A gift that passed the rules: `id` is its place in the books, `coins` its whole price."""

    id: UUID
    fan: HolderId
    name: str
    gift: GiftType
    count: int
    coins: int
    at: datetime
    channel: RoomChannel
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The book's answer; for a gift posted now also its streak's first sequence and pieces."""

    result: GiftResult
    first_seq: int
    streak_total: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    order: GiftOrder
    answer: asyncio.Future[Accepted]


class GiftIntake:
    """The gifts of one process, on their way to the book."""

    def __init__(
        self, book: AsyncBook, hall: Hall, *, max_batch: int = MAX_BATCH, capacity: int = CAPACITY
    ) -> None:
        self._book = book
        self._hall = hall
        self._capacity = capacity
        self._commit = GroupCommit(self._post_next, max_batch=max_batch)
        # Ids that are queued or on their way to the database. Another process may hold the same
        # one: then the bucket's lane decides, and the later of the two is answered as a replay.
        self._in_use: set[UUID] = set()
        self._is_closing = False
        self.batches = 0
        self.gifts = 0

    async def submit(self, order: GiftOrder) -> Accepted:
        """Post a gift and return after its commit.

        Raises KeyInUse while an order with the same id is not decided, and TransientError when the
        queue is full or the database gave way: in both cases the same order may be sent again and
        takes effect once.
        """
        if order.id in self._in_use:
            raise KeyInUse(
                "The first request with this key is still being posted. "
                "Send the same again in a second; it takes effect once.",
                retry_after_seconds=1,
            )
        if self._is_closing or self._commit.waiting >= self._capacity:
            raise TransientError("More gifts than we can post are waiting. Send it again soon.")
        answer: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._in_use.add(order.id)
        self._commit.put(fan_bucket(order.fan), _Waiting(order, answer))
        # The sender may hang up; what was queued is posted all the same.
        return await asyncio.shield(answer)

    async def run(self) -> None:
        """Post batch after batch until `close`, and what waits then."""
        await self._commit.run()

    def close(self) -> None:
        """Take no more gifts; `run` ends when the waiting ones are posted."""
        self._is_closing = True
        self._commit.close()

    async def _post_next(self, waiting: list[_Waiting]) -> list[_Waiting]:
        """Post what waits, but for taps whose streak opens in this batch: they come in the next."""
        batch: list[tuple[_Waiting, Tap | None]] = []
        later: list[_Waiting] = []
        for one in waiting:
            order = one.order
            streaks, room = order.channel.state.streaks, order.channel.state.facts.terms.id
            if not order.gift.streakable:
                batch.append((one, None))
            elif streaks.is_opening(order.fan, room, order.gift.code):
                later.append(one)
            else:
                tap = streaks.tap(order.fan, room, order.gift.code, order.at, count=order.count)
                batch.append((one, tap))
        if batch:
            await self._post(batch)
        return later

    async def _post(self, batch: list[tuple[_Waiting, Tap | None]]) -> None:
        postings = [_posting(waiting.order, tap) for waiting, tap in batch]
        self.batches += 1
        try:
            results = await self._book.post_gifts(postings)
        except TransientError as error:
            self._fail(batch, error)
            await asyncio.sleep(0.05)
        except Exception as error:
            if len(batch) > 1:
                # One gift that the database cannot take must not take the others with it.
                log.exception("A batch of %d gifts was refused; posting them singly.", len(batch))
                for one in batch:
                    await self._post([one])
            else:
                log.exception("The database refused a gift.")
                failure = InvariantViolation("The database refused a gift.")
                failure.__cause__ = error
                self._fail(batch, failure)
        else:
            for (waiting, tap), result in zip(batch, results, strict=True):
                self._settle(waiting, tap, result)

    def _settle(self, waiting: _Waiting, tap: Tap | None, result: GiftResult) -> None:
        order = waiting.order
        self._in_use.discard(order.id)
        streaks = order.channel.state.streaks
        is_told = result.outcome == "posted" and self._hall.see_gift(
            order.channel.state.facts.terms.id, _committed(order, tap, result), tap
        )
        if tap is not None and not is_told:
            # Refused, or told already by whoever follows the ledger.
            streaks.refuse(tap)
            order.channel.touch()
        if result.outcome == "posted":
            self.gifts += 1
        if not waiting.answer.done():
            first_seq = tap.streak.first_seq if tap is not None else result.seq
            total = tap.streak.total if tap is not None else order.count
            waiting.answer.set_result(Accepted(result, first_seq, total))

    def _fail(self, batch: list[tuple[_Waiting, Tap | None]], error: Exception) -> None:
        for waiting, tap in batch:
            self._in_use.discard(waiting.order.id)
            if tap is not None:
                waiting.order.channel.state.streaks.refuse(tap)
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
                # Mark it as seen: the sender may have hung up.
                waiting.answer.exception()


def _posting(order: GiftOrder, tap: Tap | None) -> GiftPosting:
    terms = order.channel.state.facts.terms
    return GiftPosting(
        id=order.id,
        fan=order.fan,
        creator=terms.creator,
        room=terms.id,
        gift=order.gift.code,
        count=order.count,
        coins=order.coins,
        policy=terms.policy,
        streak_seq=tap.streak_seq if tap is not None else 0,
        at=order.at,
    )


def _committed(order: GiftOrder, tap: Tap | None, result: GiftResult) -> CommittedGift:
    return CommittedGift(
        order.fan,
        order.name,
        order.gift,
        order.count,
        order.coins,
        result.bonus,
        order.at,
        result.seq,
        tap.streak_seq if tap is not None else 0,
        order.message,
    )
