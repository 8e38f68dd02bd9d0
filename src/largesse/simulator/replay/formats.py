"""The readers: a line of a file becomes an event of the street.

Owns the three formats (docs/guides/replay.md describes them). Must not know the ledger. Invariant:
money and coins are read as whole numbers only, and text is never taken for money.
"""

from __future__ import annotations

import codecs
import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from largesse.ledger.gifts import IMPORTED_GIFT
from largesse.money.amounts import Amount, BadAmount
from largesse.money.assets import asset
from largesse.money.decimals import parse_decimal
from largesse.money.errors import DomainError
from largesse.simulator.replay.events import (
    MAX_COUNT,
    BadLine,
    Event,
    Frame,
    Gift,
    Payout,
    Recharge,
    Refund,
    WrongFormat,
    positive,
)

Line = tuple[int, "Event | BadLine"]
"""A line's number and what it says, or why it cannot be used."""

HOUSE = "house"
"""The creator of payments that name none."""

_DONATIONS_HEADER = ["event", "ts", "donor", "creator", "amount_cents", "with_comment"]
_MAX_ID = 200


class _Money(msgspec.Struct):
    minor: int
    currency: str


class _Event(msgspec.Struct):
    """One line of our own format; unknown fields are ignored."""

    at: datetime
    id: str
    type: Literal["recharge", "gift", "payout", "refund"]
    fan: str | None = None
    creator: str | None = None
    coins: int | None = None
    count: int = 1
    diamonds: int | None = None
    money: _Money | str | None = None
    room: str | None = None


class _LiveGift(msgspec.Struct):
    """One raw gift message of a live room, as large live apps send them."""

    room: str
    msg_id: str
    create_time_ms: int
    gift_id: int
    repeat_count: int
    repeat_end: int
    group_id: str
    user: str
    gift_type: int
    diamond_count: int


_STREAKABLE = 1
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_live_gift = msgspec.json.Decoder(_LiveGift).decode


def read(path: Path, name: str) -> Iterator[Line]:
    """Yield a file's lines as events; raises WrongFormat for a file of another kind.

    `name` is one of `FORMATS`. Gzip is recognised by its content.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            yield from FORMATS[name](file)
            return
        with gzip.open(file) as unpacked:
            yield from FORMATS[name](unpacked)


def _json_lines(
    stream: Iterable[bytes], read_line: Callable[[bytes], Event], name: str, expected: str
) -> Iterator[Line]:
    """Read a JSON object a line; when not even the first is one, the whole file is wrong."""
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            yield number, read_line(line)
        except (BadLine, DomainError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            if number == 1 and not _is_object(line):
                raise WrongFormat(
                    f"The file does not look like --format {name}: line 1 is not {expected}."
                ) from error
            yield number, BadLine(str(error))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _tiktok(stream: Iterable[bytes]) -> Iterator[Line]:
    expected = "a JSON object with room, user, gift_id and repeat_count"
    lines = _json_lines(stream, _live_gift, "tiktok", expected)
    return _require_one_good(lines, "tiktok", expected)


def _live_gift(line: bytes) -> Event:
    message = _decode_live_gift(line)
    count = positive(message.repeat_count, "repeat_count", MAX_COUNT)
    streakable = message.gift_type == _STREAKABLE
    source = message.group_id if streakable and message.group_id else f"message-{message.msg_id}"
    return Gift(
        id=_identity(message.msg_id, "msg_id"),
        at=datetime.fromtimestamp(positive(message.create_time_ms, "create_time_ms") // 1000, UTC),
        fan=_identity(message.user, "user"),
        creator=_identity(message.room, "room"),
        room=message.room,
        gift=message.gift_id,
        coins=positive(message.diamond_count, "diamond_count"),
        count=count,
        frame=Frame(source, count, end=message.repeat_end == 1 or not streakable),
    )


def _donations(stream: Iterable[bytes]) -> Iterator[Line]:
    rows = csv.reader(codecs.iterdecode(stream, "utf-8", errors="replace"))
    if next(rows, None) != _DONATIONS_HEADER:
        raise WrongFormat(
            "The file does not look like --format donations: its first line must be "
            f"{','.join(_DONATIONS_HEADER)}."
        )
    for number, row in enumerate(rows, start=2):
        try:
            yield number, _donation(number, row)
        except (BadLine, ValueError) as error:
            yield number, BadLine(str(error))


def _donation(number: int, row: list[str]) -> Event:
    if len(row) != len(_DONATIONS_HEADER):
        raise BadLine(f"{len(row)} columns instead of {len(_DONATIONS_HEADER)}")
    event, at, donor, creator, cents, _ = row
    if not (cents.isascii() and cents.isdigit()):
        raise BadLine(f"`amount_cents` must be a whole number of cents, not {cents!r}")
    return Gift(
        # The capture has equal rows that are different payments: the line is the identity.
        id=f"line-{number}",
        at=datetime.fromisoformat(at).replace(tzinfo=UTC),
        fan=f"anon-{number}" if donor == "anon" else _identity(donor, "donor"),
        creator=creator or HOUSE,
        room=event,
        gift=IMPORTED_GIFT,
        coins=positive(int(cents), "amount_cents"),
        count=1,
    )


def _events(stream: Iterable[bytes]) -> Iterator[Line]:
    expected = "a JSON object with at, id and type"
    lines = _json_lines(stream, _event, "events", expected)
    return _require_one_good(lines, "events", expected)


def _event(line: bytes) -> Event:
    raw = _decode_event(line)
    if raw.at.tzinfo is None:
        raise BadLine("`at` needs a zone, for example 2026-11-22T10:00:00Z")
    identity = _identity(raw.id, "id")
    if raw.type == "gift":
        creator = _identity(raw.creator, "creator")
        coins = positive(raw.coins, "coins")
        count = positive(raw.count, "count", MAX_COUNT)
        positive(coins * count, "coins x count")
        fan = _identity(raw.fan, "fan")
        room = _identity(raw.room or creator, "room")
        return Gift(identity, raw.at, fan, creator, room, IMPORTED_GIFT, coins, count)
    if raw.type == "payout":
        asked = raw.diamonds if raw.diamonds is not None else raw.coins
        diamonds = None if asked is None else positive(asked, "diamonds")
        creator = _identity(raw.creator, "creator")
        return Payout(identity, raw.at, creator, diamonds, _money(raw.money))
    coins = positive(raw.coins, "coins")
    fan = _identity(raw.fan, "fan")
    money = _money(raw.money)
    if raw.type == "refund":
        return Refund(identity, raw.at, fan, coins, money)
    return Recharge(identity, raw.at, fan, coins, money or Amount(coins, asset("USD")))


def _identity(text: str | None, what: str) -> str:
    if not text or len(text) > _MAX_ID or not text.isprintable():
        raise BadLine(f"`{what}` must be text of 1 to {_MAX_ID} printable characters")
    return text


def _money(raw: _Money | str | None) -> Amount | None:
    """Read {"minor": 499, "currency": "USD"} or "4.99 USD"; raises BadLine for anything else."""
    if raw is None:
        return None
    number, _, code = ("", "", raw.currency) if isinstance(raw, _Money) else raw.partition(" ")
    unit = asset(code)
    if not unit.is_currency:
        raise BadLine(f"`money` must be of a currency, not of {unit}")
    if isinstance(raw, _Money):
        return Amount(positive(raw.minor, "money.minor"), unit)
    try:
        amount = parse_decimal(number, unit)
    except BadAmount as error:
        raise BadLine(f'`money` must look like "4.99 USD", not {raw!r}') from error
    return Amount(positive(amount.minor, "money"), unit)


def _require_one_good(lines: Iterator[Line], name: str, expected: str) -> Iterator[Line]:
    """Pass lines on; a file in which no line can be used is of another kind."""
    first_bad: Line | None = None
    good = False
    for number, event in lines:
        if isinstance(event, BadLine) and not good:
            first_bad = first_bad or (number, event)
        else:
            good = True
        yield number, event
    if not good:
        why = f" ({first_bad[1]})" if first_bad else ""
        raise WrongFormat(
            f"The file does not look like --format {name}: no line is {expected}{why}."
        )


FORMATS: dict[str, Callable[[Iterable[bytes]], Iterator[Line]]] = {
    "tiktok": _tiktok,
    "donations": _donations,
    "events": _events,
}
