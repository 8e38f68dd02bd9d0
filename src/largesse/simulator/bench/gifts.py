"""The gifts that a benchmark gives: who gives, who receives, and under which keys.

Owns the population and the shapes of the load; peers give the same gifts. Must not know how a gift
is posted. Invariant: keys ascend in time as clients make them, and no two gifts share one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from largesse.adapters import clock
from largesse.ledger.gifts import GiftPosting
from largesse.money.ids import HolderId, RoomId

FIRST_FAN = 64
FANS = 20_480
"""320 fans in each of the 64 buckets, so that every bucket has the same work."""

STEADY_FAN = HolderId(FIRST_FAN)
"""One of them, who also gave before the clock started, so that there is history to read."""
QUIET_FAN = HolderId(FIRST_FAN + FANS)
"""A fan beside them who gave a few gifts at the beginning, and none since."""

FIRST_CREATOR = 1_000_001
CREATORS = 2_000
FEW_CREATORS = CREATORS // 100
COINS_OF_A_FAN = 10**9

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_GIFTS_A_MILLISECOND = 50
_VERSION, _VARIANT = 7 << 76, 2 << 62
_TAIL_MASK = (0xFFF << 64) | (2**62 - 1)


class Shape(StrEnum):
    """To whom the gifts go."""

    UNIFORM = "uniform"
    HOT = "hot"
    PARETO = "pareto"

    @property
    def meaning(self) -> str:
        """What the shape is, in words."""
        match self:
            case Shape.UNIFORM:
                return f"{CREATORS:,} creators alike"
            case Shape.HOT:
                return "one creator receives everything"
            case Shape.PARETO:
                return "1 % of the creators receive 80 % of the gifts"


@dataclass(slots=True)
class GiftMaker:
    """Makes gifts of one coin, a list at a time: the same lists for the same seed, but for time."""

    seed: int
    _last_ms: int = 0

    def make(self, shape: Shape, number: int) -> list[GiftPosting]:
        """Return new gifts in the order of their keys, about 5 microseconds each."""
        self.seed += 1
        draw = random.Random(self.seed)  # noqa: S311 - a load, not a secret
        start = max((clock.now() - _EPOCH) // _MILLISECOND, self._last_ms + 1)
        self._last_ms = start + number // _GIFTS_A_MILLISECOND
        gifts: list[GiftPosting] = []
        for ms in range(start, self._last_ms + 1):
            at = _EPOCH + ms * _MILLISECOND
            for _ in range(min(_GIFTS_A_MILLISECOND, number - len(gifts))):
                creator = _creator(shape, draw)
                gifts.append(
                    GiftPosting(
                        _key(ms, draw),
                        HolderId(FIRST_FAN + int(draw.random() * FANS)),
                        HolderId(creator),
                        RoomId(creator),
                        1,
                        1,
                        1,
                        1,
                        0,
                        at,
                    )
                )
        return gifts

    def gifts_of(self, fan: HolderId, number: int) -> list[GiftPosting]:
        """Return new gifts of one fan."""
        return [
            GiftPosting(g.id, fan, g.creator, g.room, 1, 1, 1, 1, 0, g.at)
            for g in self.make(Shape.UNIFORM, number)
        ]


def _creator(shape: Shape, draw: random.Random) -> int:
    if shape is Shape.HOT:
        return FIRST_CREATOR
    among = FEW_CREATORS if shape is Shape.PARETO and draw.random() < 0.8 else CREATORS
    return FIRST_CREATOR + int(draw.random() * among)


def _key(ms: int, draw: random.Random) -> UUID:
    """Return a UUIDv7 of a time, as `money.ids.uuid7` lays it out."""
    return UUID(int=ms << 80 | _VERSION | _VARIANT | draw.getrandbits(76) & _TAIL_MASK)
