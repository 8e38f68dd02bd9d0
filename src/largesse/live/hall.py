"""The hall: every room that somebody watches or gifts in, and the one way that gifts reach them.

Owns which rooms are in memory, how they are read in, and up to where each bucket of the ledger was
followed. Must not know HTTP. Invariant: each committed gift of a room in memory reaches its state
exactly once, whether this process posted it, another did, or the answer to its commit was lost.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from largesse.gifting.errors import UnknownRoom
from largesse.gifting.rules import GiftType, gift_public_id, streak_public_id
from largesse.gifting.streaks import Tap
from largesse.live.fanout import RoomChannel
from largesse.live.records import Records, RoomHistory, SeenGift
from largesse.live.rooms import CommittedGift, RoomFacts, RoomState
from largesse.money.ids import FAN_BUCKETS, HolderId, RoomId, fan_bucket, public_id

REST = timedelta(minutes=10)
"""A room that nobody watches or gifts in for this long leaves memory."""


class Positions:
    """Up to where each fans' bucket was followed, and what was seen beyond."""

    def __init__(self, ends: Iterable[int]) -> None:
        self.ends = list(ends)
        self._ahead: list[set[int]] = [set() for _ in range(FAN_BUCKETS)]

    def is_new(self, bucket: int, seq: int) -> bool:
        """Note a gift; False when it was noted before."""
        ahead = self._ahead[bucket]
        if seq <= self.ends[bucket] or seq in ahead:
            return False
        ahead.add(seq)
        while self.ends[bucket] + 1 in ahead:
            self.ends[bucket] += 1
            ahead.remove(self.ends[bucket])
        return True

    def advance(self, ends: list[int]) -> None:
        """Everything up to `ends` was followed."""
        for bucket, end in enumerate(ends):
            if end > self.ends[bucket]:
                self.ends[bucket] = end
                self._ahead[bucket] = {seq for seq in self._ahead[bucket] if seq > end}

    def behind(self, ends: list[int]) -> dict[int, int]:
        """Return where to read on, for the buckets that went further than was followed."""
        return {b: self.ends[b] for b, end in enumerate(ends) if end > self.ends[b]}


@dataclass(slots=True)
class _Loading:
    """A room that is being read: gifts that arrive meanwhile wait here."""

    done: asyncio.Future[RoomChannel]
    waiting: list[tuple[CommittedGift, Tap | None]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Hall:
    """The rooms in memory."""

    def __init__(self, records: Records, now: Callable[[], datetime], *, is_test: bool) -> None:
        self._records = records
        self._now = now
        self._is_test = is_test
        self._channels: dict[RoomId, RoomChannel] = {}
        self._loading: dict[RoomId, _Loading] = {}
        self.gifts: dict[int, GiftType] = {}
        self.gifts_by_slug: dict[str, GiftType] = {}
        self._open_rooms: dict[RoomId, RoomFacts] = {}
        self._positions = Positions([0] * FAN_BUCKETS)

    async def open(self) -> None:
        """Read the catalogue and the rooms, and follow the ledger from here."""
        self._positions = Positions(await self._records.bucket_ends())
        await self.refresh()

    async def refresh(self) -> None:
        """Take in what the web changed: gifts, rooms, their status and titles."""
        self.gifts = await self._records.gift_types()
        self.gifts_by_slug = {gift.slug: gift for gift in self.gifts.values()}
        self._open_rooms = await self._records.rooms(self.known_rooms)
        for room, channel in list(self._channels.items()):
            facts = self._open_rooms.get(room)
            if facts is not None and facts != channel.state.facts:
                channel.state.change_facts(facts)
                channel.touch()
        self._rest()

    async def room(self, room: RoomId) -> RoomChannel:
        """Return the room, reading it in where needed; raises UnknownRoom and TransientError."""
        channel = self._channels.get(room)
        if channel is not None:
            return channel
        loading = self._loading.get(room)
        if loading is None:
            loading = _Loading(asyncio.get_running_loop().create_future())
            self._loading[room] = loading
            # A task of its own: the reader that happened to come first may hang up.
            loading.task = asyncio.create_task(self._load(room, loading))
        return await asyncio.shield(loading.done)

    @property
    def known_rooms(self) -> list[RoomId]:
        """The rooms that are in memory or being read in."""
        return [*self._channels, *self._loading]

    def see_gift(self, room: RoomId, gift: CommittedGift, tap: Tap | None = None) -> bool:
        """Bring a committed gift to its room; False when it was there already."""
        if not self._positions.is_new(fan_bucket(gift.fan), gift.seq):
            return False
        loading = self._loading.get(room)
        if loading is not None:
            loading.waiting.append((gift, tap))
            return True
        channel = self._channels.get(room)
        if channel is not None:
            channel.state.see_gift(gift, tap)
            channel.touch()
        return True

    async def follow(self) -> None:
        """Bring the gifts to their rooms that others posted, or whose answers were lost."""
        ends = await self._records.bucket_ends()
        behind = self._positions.behind(ends)
        if not behind:
            return
        rooms = self.known_rooms
        if rooms:
            for seen in await self._records.gifts_between(behind, ends, rooms):
                self.see_gift(seen.room, seen.with_type(self.gifts))
        self._positions.advance(ends)

    def close(self) -> None:
        """Let every viewer go."""
        for channel in self._channels.values():
            channel.close()

    async def _load(self, room: RoomId, loading: _Loading) -> None:
        try:
            facts = self._open_rooms.get(room) or await self._records.room(room)
            if facts is None:
                raise UnknownRoom("There is no such room.", room=public_id("room", room))
            history = await self._records.history(room)
        except Exception as error:  # noqa: BLE001 - handed to everybody who waits for the room
            del self._loading[room]
            loading.done.set_exception(error)
            loading.done.exception()
            return
        channel = self._build(facts, history)
        for gift, tap in loading.waiting:
            if gift.seq > history.ends[fan_bucket(gift.fan)]:
                channel.state.see_gift(gift, tap)
        channel.state.forget_pending(self._now())
        del self._loading[room]
        self._channels[room] = channel
        loading.done.set_result(channel)

    def _build(self, facts: RoomFacts, history: RoomHistory) -> RoomChannel:
        state = RoomState(facts, epoch=secrets.token_hex(6), is_test=self._is_test)
        for fan, name, coins, gifts in history.tally:
            state.add_tally(HolderId(fan), name, coins, gifts)
        for fan, first_seq, code, count, coins, opened_at, last_at in reversed(history.lines):
            line = SeenGift(
                HolderId(fan), "", facts.terms.id, first_seq, 0, code, count, coins, 0, opened_at
            )
            given = {"count": count, "coins": coins, "opened_at": opened_at, "last_at": last_at}
            state.add_line(line.fan, first_seq, line.with_type(self.gifts).gift, given)
        for seen in history.gifts:
            state.see_gift(seen.with_type(self.gifts))
        self._add_words(state, history)
        state.forget_pending(self._now())
        return RoomChannel(state, self._now)

    def _add_words(self, state: RoomState, history: RoomHistory) -> None:
        for comment_id, holder, name, gift_seq, text, at in reversed(history.comments):
            if gift_seq:
                state.restore_message(gift_public_id(HolderId(holder), gift_seq), text)
                state.restore_message(streak_public_id(HolderId(holder), gift_seq), text)
            else:
                state.see_comment(comment_public_id(comment_id), HolderId(holder), name, text, at)

    def _rest(self) -> None:
        long_ago = self._now() - REST
        for room, channel in list(self._channels.items()):
            if not channel.is_watched and channel.quiet_since < long_ago:
                channel.close()
                del self._channels[room]


def comment_public_id(comment_id: UUID) -> str:
    """Return the public id of a comment, ordered by time."""
    return f"cmt_{comment_id.hex}"
