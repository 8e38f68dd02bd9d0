"""Typed identifiers and their public form.

Owns how a holder, room, order or payout is named inside (a random 63-bit integer) and outside
(prefix and 13 characters of Crockford's base 32), and which bucket a holder calls home. Must not
know what they refer to; randomness is handed in. Invariant: the bucket of an id never changes.

Source of the alphabet: Douglas Crockford, "Base 32".
"""

from __future__ import annotations

import hashlib
from typing import NewType
from uuid import UUID

from largesse.money.errors import DomainError

HolderId = NewType("HolderId", int)
RoomId = NewType("RoomId", int)
OrderId = NewType("OrderId", int)
PayoutId = NewType("PayoutId", int)

FAN_BUCKETS = 64
BUCKETS = 2 * FAN_BUCKETS
"""Fans live in buckets 0 to 63; the same person's creator books live in 64 to 127."""

PLATFORM = HolderId(0)
"""The holder of a bucket's own accounts (issued, revenue, clearing and so on)."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = {char: value for value, char in enumerate(_ALPHABET)} | {"i": 1, "l": 1, "o": 0}
_PUBLIC_LENGTH = 13


class BadId(DomainError):
    """The text is not an id of the kind that was asked for."""

    code = "bad_id"


def id_from_bytes(random: bytes) -> int:
    """Make an id out of at least 8 random bytes: a positive 63-bit integer, never zero."""
    if len(random) < 8:
        raise BadId("An id needs at least 8 random bytes.")
    return (int.from_bytes(random[:8], "big") >> 1) or 1


def id_from_name(namespace: str, name: str) -> int:
    """Make the id that an imported name always gets: the same text gives the same id for ever."""
    digest = hashlib.sha256(f"{namespace}\x00{name}".encode()).digest()
    return id_from_bytes(digest)


def fan_bucket(holder: HolderId) -> int:
    """Return the bucket (0 to 63) that holds a fan's coins."""
    return holder & (FAN_BUCKETS - 1)


def creator_bucket(holder: HolderId) -> int:
    """Return the bucket (64 to 127) that holds a creator's diamonds and payouts."""
    return FAN_BUCKETS | (holder & (FAN_BUCKETS - 1))


def public_id(prefix: str, number: int) -> str:
    """Return the public form, for example `usr_0c9m2v5x7k1qz`."""
    digits = [_ALPHABET[(number >> shift) & 31] for shift in range(60, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def parse_public_id(prefix: str, text: str) -> int:
    """Return the number behind a public id; raises BadId with the form that was expected."""
    head, _, tail = text.partition("_")
    number = 0
    bad = head != prefix or len(tail) != _PUBLIC_LENGTH or not tail.isascii()
    for char in tail.lower():
        digit = _DIGITS.get(char)
        if bad or digit is None:
            raise BadId(f"{text!r} is not an id of the form {prefix}_ and 13 characters.", id=text)
        number = number << 5 | digit
    if bad or not 0 < number < 2**63:
        raise BadId(f"{text!r} is not an id of the form {prefix}_ and 13 characters.", id=text)
    return number


def uuid7(unix_ms: int, random: bytes) -> UUID:
    """Make a UUIDv7 (RFC 9562) of a time in milliseconds and at least 10 random bytes."""
    if not 0 <= unix_ms < 2**48 or len(random) < 10:
        raise BadId("A UUIDv7 needs a 48-bit time in milliseconds and at least 10 random bytes.")
    tail = int.from_bytes(random[:10], "big")
    value = unix_ms << 80 | 7 << 76 | (tail >> 68) << 64 | 2 << 62 | tail & (2**62 - 1)
    return UUID(int=value)


def require_uuid7(text: str) -> UUID:
    """Parse a client's idempotency key; raises BadId for anything but a UUIDv7."""
    try:
        value = UUID(text)
    except (ValueError, AttributeError, TypeError):
        value = None
    if value is None or value.version != 7 or str(value) != str(text).lower():
        raise BadId(
            "The idempotency key must be a UUIDv7 such as 019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21. "
            "Random UUIDv4 keys are refused because they scatter the ledger's index.",
            key=str(text)[:64],
        )
    return value


def keyed_id(scope: int, key: UUID) -> UUID:
    """Return the ledger's id of what `scope` (a fan, an order) asked for under `key`.

    It keeps the key's time, so it stays ordered, and mixes the scope into the rest: two fans who
    use one key get two ids, and the same fan gets the same id for ever.
    """
    digest = hashlib.sha256(scope.to_bytes(8, "big") + key.bytes).digest()
    return uuid7(key.int >> 80, digest)
