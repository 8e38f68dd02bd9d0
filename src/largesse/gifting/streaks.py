"""Streaks: taps of one fan on one gift in one room that belong together.

Owns when a streak begins, what each of its messages charges, and when it ends. Must not know the
database, a clock or a connection: times come in. Invariants: pieces are charged once, however the
messages that report them are reordered, doubled or lost; and every streak that charged anything
ends exactly once, by whatever comes first (a late frame may reopen its streak, which ends again).

Two forms of message exist. A *tap* says how many pieces are new; its idempotency key is what makes
a repeat harmless. A *frame* of another platform says how many pieces its streak has so far; what it
charges is what was not charged before, so that the whole charges exactly the highest frame.

A tap is first reserved, then confirmed by its commit or refused; a streak with a tap in flight does
not end, because that tap may still belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from largesse.money.ids import HolderId, RoomId

STREAK_PAUSE = timedelta(seconds=3)
"""A streak ends when nothing was added for this long, by the server's clock."""

SOURCE_MEMORY = timedelta(minutes=10)
"""How long another platform's streak is remembered after its last one."""


class ClosedBy(StrEnum):
    """What ended a streak."""

    TIMEOUT = "timeout"
    END_FRAME = "end_frame"
    OTHER_GIFT = "other_gift"
    ROOM_CLOSED = "room_closed"


@dataclass(slots=True, eq=False)
class Streak:
    """One streak as it stands; `total` counts pieces whose charge is confirmed."""

    number: int
    fan: HolderId
    room: RoomId
    gift: int
    opened_at: datetime
    last_at: datetime
    total: int = 0
    first_seq: int = 0
    in_flight: int = 0
    ending: ClosedBy | None = None

    @property
    def is_opening(self) -> bool:
        """True while its first gift is being posted: its sequence is not known yet."""
        return self.first_seq == 0 and self.in_flight > 0


@dataclass(slots=True, eq=False)
class _Source:
    """A streak of another platform: how many of its pieces are charged or being charged."""

    streak: Streak
    counted: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Tap:
    """A reserved message: post `charge` pieces with `streak_seq`, then confirm or refuse it.

    A charge of 0 (an old or repeated frame) is neither posted nor confirmed.
    """

    streak: Streak
    charge: int
    at: datetime
    source: _Source | None = None

    @property
    def streak_seq(self) -> int:
        """The sequence of the streak's first gift, 0 when this is the first."""
        return self.streak.first_seq


@dataclass(frozen=True, slots=True)
class StreakEnd:
    """A streak that ended, with all its pieces."""

    streak: Streak
    closed_by: ClosedBy


class StreakBook:
    """The open streaks of any number of rooms: at most one per fan and room."""

    def __init__(self) -> None:
        self._open: dict[tuple[RoomId, HolderId], Streak] = {}
        self._sources: dict[tuple[RoomId, HolderId, int, str], _Source] = {}
        self._ending: list[Streak] = []
        self._ended: list[StreakEnd] = []
        self._numbers = 0

    # -- What arrives --------------------------------------------------------------------------

    def tap(self, fan: HolderId, room: RoomId, gift: int, at: datetime, *, count: int = 1) -> Tap:
        """Reserve `count` new pieces in the fan's streak, opening one where none goes on."""
        streak = self._streak_for(fan, room, gift, at)
        streak.in_flight += 1
        return Tap(streak, count, at)

    def frame(
        self,
        fan: HolderId,
        room: RoomId,
        gift: int,
        at: datetime,
        *,
        source: str,
        total: int,
        end: bool = False,
    ) -> Tap:
        """Reserve what a cumulative frame of streak `source` adds to all that was charged before.

        A frame that adds nothing has charge 0. A late frame that does add reopens its own streak,
        and charges only what was missing.
        """
        key = (room, fan, gift, source)
        known = self._sources.get(key)
        if known is None:
            self.interrupt(fan, room)
            streak = self._begin(fan, room, gift, at)
            known = self._sources[key] = _Source(streak, 0, at)
        streak = known.streak
        charge = max(0, total - known.counted)
        known.counted += charge
        known.last_at = max(known.last_at, at)
        if charge:
            if self._open.get((room, fan)) is not streak:
                self.interrupt(fan, room)
                self._reopen(streak)
            streak.in_flight += 1
        if end:
            self._finish(streak, ClosedBy.END_FRAME)
        return Tap(streak, charge, at, known)

    def confirm(self, tap: Tap, seq: int) -> None:
        """Count a reserved tap: its gift stands at `seq` of the fan's bucket."""
        streak = tap.streak
        streak.in_flight -= 1
        streak.total += tap.charge
        streak.last_at = max(streak.last_at, tap.at)
        streak.first_seq = streak.first_seq or seq
        self._end_if_idle(streak)

    def refuse(self, tap: Tap) -> None:
        """Take back a reservation: the tap was not charged, or not for the first time."""
        streak = tap.streak
        streak.in_flight -= 1
        if tap.source is not None:
            tap.source.counted -= tap.charge
        self._forget_if_empty(streak)
        self._end_if_idle(streak)

    def observe(
        self,
        fan: HolderId,
        room: RoomId,
        gift: int,
        at: datetime,
        *,
        count: int,
        seq: int,
        streak_seq: int,
    ) -> Streak:
        """Take in a gift that was committed elsewhere, and return its streak."""
        first_seq = streak_seq or seq
        streak = self._open.get((room, fan))
        if streak is not None and streak.is_opening and streak.gift == gift and not streak_seq:
            # The opening gift was seen in the ledger before its own confirmation came.
            streak.first_seq = first_seq
        if streak is None or streak.first_seq != first_seq:
            self.interrupt(fan, room)
            streak = self._begin(fan, room, gift, at)
            streak.first_seq = first_seq
        streak.total += count
        streak.last_at = max(streak.last_at, at)
        return streak

    def restore(
        self,
        fan: HolderId,
        room: RoomId,
        gift: int,
        *,
        first_seq: int,
        total: int,
        opened_at: datetime,
        last_at: datetime,
    ) -> None:
        """Go on with a streak that another process began; the fan's earlier one is let go."""
        self._open.pop((room, fan), None)
        streak = self._begin(fan, room, gift, opened_at)
        streak.first_seq, streak.total, streak.last_at = first_seq, total, last_at

    # -- What ends -----------------------------------------------------------------------------

    def interrupt(self, fan: HolderId, room: RoomId) -> None:
        """End the fan's streak in a room, if one goes on, because another gift was sent."""
        streak = self._open.get((room, fan))
        if streak is not None:
            self._finish(streak, ClosedBy.OTHER_GIFT)

    def close_due(self, now: datetime) -> None:
        """End every streak that has paused too long, and forget sources that stay silent."""
        for streak in [s for s in self._open.values() if now - s.last_at >= STREAK_PAUSE]:
            if streak.in_flight == 0:
                self._finish(streak, ClosedBy.TIMEOUT)
        silent = [k for k, s in self._sources.items() if now - s.last_at >= SOURCE_MEMORY]
        for key in silent:
            del self._sources[key]

    def close_room(self, room: RoomId) -> None:
        """End every streak of a room."""
        for streak in [s for s in self._open.values() if s.room == room]:
            self._finish(streak, ClosedBy.ROOM_CLOSED)

    def take_ends(self) -> list[StreakEnd]:
        """Return the streaks that ended since the last call, each exactly once."""
        ended, self._ended = self._ended, []
        return ended

    def is_opening(self, fan: HolderId, room: RoomId, gift: int) -> bool:
        """True while a tap must wait: the first gift of its streak is still being posted."""
        streak = self._open.get((room, fan))
        return streak is not None and streak.gift == gift and streak.is_opening

    @property
    def has_any(self) -> bool:
        """True while a streak goes on, is ending, or its end was not taken yet."""
        return bool(self._open or self._ending or self._ended)

    def open_streaks(self, room: RoomId) -> list[Streak]:
        """Return the streaks that go on in a room and have charged something, oldest first."""
        known = [*self._open.values(), *self._ending]
        going_on = [s for s in known if s.room == room and s.total]
        return sorted(going_on, key=lambda s: (s.opened_at, s.fan))

    # -- Inside --------------------------------------------------------------------------------

    def _streak_for(self, fan: HolderId, room: RoomId, gift: int, at: datetime) -> Streak:
        streak = self._open.get((room, fan))
        if streak is not None and streak.gift != gift:
            self._finish(streak, ClosedBy.OTHER_GIFT)
            streak = None
        if streak is not None and not streak.in_flight and at - streak.last_at >= STREAK_PAUSE:
            self._finish(streak, ClosedBy.TIMEOUT)
            streak = None
        return streak or self._begin(fan, room, gift, at)

    def _begin(self, fan: HolderId, room: RoomId, gift: int, at: datetime) -> Streak:
        self._numbers += 1
        streak = Streak(self._numbers, fan, room, gift, opened_at=at, last_at=at)
        self._open[room, fan] = streak
        return streak

    def _finish(self, streak: Streak, closed_by: ClosedBy) -> None:
        if self._open.get((streak.room, streak.fan)) is streak:
            del self._open[streak.room, streak.fan]
            streak.ending = closed_by
            self._ending.append(streak)
            self._end_if_idle(streak)

    def _reopen(self, streak: Streak) -> None:
        if streak.ending is not None:
            self._ending.remove(streak)
            streak.ending = None
        self._open[streak.room, streak.fan] = streak

    def _end_if_idle(self, streak: Streak) -> None:
        if streak.ending is not None and streak.in_flight == 0:
            self._ending.remove(streak)
            if streak.total:
                self._ended.append(StreakEnd(streak, streak.ending))
            streak.ending = None

    def _forget_if_empty(self, streak: Streak) -> None:
        is_open = self._open.get((streak.room, streak.fan)) is streak
        if is_open and streak.in_flight == 0 and streak.total == 0:
            del self._open[streak.room, streak.fan]
