"""How long a client's idempotency key may begin something.

Owns the window of time in which a UUIDv7 counts as made for this wish. Must not know clocks, tables
or HTTP. Invariant: age alone never undoes an answer: callers look first whether the key stands, and
ask here only about a key that nothing stands under.

A key is refused for its age because tables are kept in the order of keys: one from last month would
be written, and looked for, far from where everything else happens. The field has no fixed number;
the Idempotency-Key draft (section 2.5) asks a service to publish its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from largesse.ledger.errors import StaleKey

KEY_LIFETIME = timedelta(hours=24)
"""How far in the past a new key's time may lie: a phone that was offline sends what it kept."""

KEY_AHEAD = timedelta(minutes=5)
"""How far in the future a new key's time may lie: clocks of clients differ."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def is_fresh(key: UUID, *, now: datetime, machine_now: datetime | None = None) -> bool:
    """Return whether a UUIDv7 (or an id made of one by `keyed_id`) may begin something.

    `machine_now` is the time without a sandbox's offset: clients there make keys by clocks that
    were not moved, and both are in time. Without it, `now` is the only clock.
    """
    clocks = (now, machine_now or now)
    # Milliseconds since 1970 as in RFC 9562; as datetimes the largest of them would not fit.
    made, (earliest, latest) = key.int >> 80, (min(clocks) - KEY_LIFETIME, max(clocks) + KEY_AHEAD)
    return _unix_ms(earliest) <= made <= _unix_ms(latest)


def require_fresh(key: UUID, *, now: datetime, machine_now: datetime | None = None) -> None:
    """Refuse a key that is too old, or too far ahead, to begin something; raises StaleKey."""
    if is_fresh(key, now=now, machine_now=machine_now):
        return
    side = "lies ahead of ours" if key.int >> 80 > _unix_ms(now) else "is long past"
    raise StaleKey(
        f"The time inside this idempotency key {side}, and nothing was done under it. "
        "Make a new UUIDv7 from the current time for every new wish; keep a key only to repeat "
        "the same wish.",
        lifetime_seconds=KEY_LIFETIME // timedelta(seconds=1),
        ahead_seconds=KEY_AHEAD // timedelta(seconds=1),
        server_time=now.isoformat(timespec="seconds"),
    )


def _unix_ms(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND
