"""How the live service writes things down.

Owns the JSON forms of amounts, people, gifts and times, and of an event's envelope and cursor. Must
not know who reads them. Invariant: amounts carry their unit, ids are strings, times are UTC with
milliseconds; fields are only ever added.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from largesse.gifting.rules import GiftType
from largesse.money.ids import HolderId, public_id
from largesse.people.rules import avatar_of

Json = dict[str, Any]
encode = msgspec.json.encode

_MILLISECOND = timedelta(milliseconds=1)


def whole_milliseconds(at: datetime) -> datetime:
    """Return the time as the wire shows it, so that what is stored and what is shown agree."""
    return at - timedelta(microseconds=at.microsecond % 1000)


def stamp(at: datetime) -> str:
    """Return the time in UTC, always of the same length, so that text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def coins(units: int) -> Json:
    """Return an amount of coins."""
    return {"units": units, "unit": "coin"}


def person(holder: HolderId, name: str) -> Json:
    """Return what a room shows of a person."""
    return {
        "id": public_id("usr", holder),
        "display_name": name,
        "avatar": avatar_of(holder),
        "anonymous": False,
    }


def gift_type(gift: GiftType) -> Json:
    """Return what a room shows of a gift."""
    return {
        "id": gift.slug,
        "name": gift.name,
        "price": coins(gift.coins),
        "streakable": gift.streakable,
        "alt": gift.alt,
    }


def message(text: str | None) -> Json | None:
    """Return the words of a gift, whole and in fragments; only text fragments exist so far."""
    if text is None:
        return None
    return {"text": text, "fragments": [{"type": "text", "text": text}]}


def cursor(epoch: str, sequence: int) -> str:
    """Return the place after event `sequence` of one life of a room."""
    return f"{epoch}.{sequence:08}"


def parse_cursor(text: str, epoch: str) -> int | None:
    """Return the sequence of a cursor of this life of the room; None for every other text."""
    life, dot, digits = text.partition(".")
    if not dot or life != epoch or not digits.isascii() or not digits.isdigit():
        return None
    return int(digits[:18])


def frame(event: Json) -> bytes:
    """Return an event as one message of a server-sent event stream (WHATWG HTML, section 9.2)."""
    place = event["data"]["cursor"]
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        place.encode(),
        event["type"].encode(),
        encode(event),
    )
