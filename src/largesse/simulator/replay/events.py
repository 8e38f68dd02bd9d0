"""What a recorded line says happened, whatever format it came in.

Owns the values between the readers and the engine. Must not know files or the database. Invariant:
an event that exists has positive whole amounts and a time with a zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from largesse.money.amounts import Amount
from largesse.money.errors import DomainError

MAX_COINS = 10**15
"""More coins than this in one event is taken for a mistake of the file."""

MAX_COUNT = 2**31 - 1


class WrongFormat(DomainError):
    """The file is not what `--format` says it is; nothing was posted."""

    code = "wrong_format"


class BadLines(DomainError):
    """Lines of the file cannot be used; nothing was posted. `data['lines']` names them."""

    code = "bad_lines"


class BadLine(Exception):
    """One line cannot be used; the text says why. The reader's caller knows its number."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A cumulative message of a streak on another platform: `total` pieces so far."""

    source: str
    total: int
    end: bool


@dataclass(frozen=True, slots=True)
class Gift:
    """A fan gave `count` pieces at `coins` each; with a frame, what it adds decides the count."""

    id: str
    at: datetime
    fan: str
    creator: str
    room: str
    gift: int
    coins: int
    count: int
    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Recharge:
    """A fan bought `coins` for `money`."""

    id: str
    at: datetime
    fan: str
    coins: int
    money: Amount


@dataclass(frozen=True, slots=True)
class Refund:
    """A fan gave `coins` back; `money` was returned (None: what their unspent part had cost)."""

    id: str
    at: datetime
    fan: str
    coins: int
    money: Amount | None


@dataclass(frozen=True, slots=True)
class Payout:
    """A creator cashed out `diamonds` (None: all there are) for `money` (None: their value)."""

    id: str
    at: datetime
    creator: str
    diamonds: int | None
    money: Amount | None


Event = Gift | Recharge | Refund | Payout


def positive(value: int | None, what: str, ceiling: int = MAX_COINS) -> int:
    """Return a whole number from 1 to `ceiling`; raises BadLine with what is wrong."""
    if value is None:
        raise BadLine(f"`{what}` is missing")
    if not 1 <= value <= ceiling:
        raise BadLine(f"`{what}` must lie between 1 and {ceiling}, not {value}")
    return value
