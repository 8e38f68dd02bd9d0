"""The queue of diamonds that mature, on Django's connection.

Owns reading and emptying it. Must not post journals: earnings does, in the same transaction that
takes a row. Invariant: a row is taken at most once.
"""

from __future__ import annotations

from datetime import datetime

from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.statements import Query, Steps, lock_bucket
from largesse.money.ids import HolderId, creator_bucket


def due(now: datetime, limit: int) -> list[tuple[HolderId, datetime, int]]:
    """Return up to `limit` rows (holder, release time, diamonds) whose time has come."""
    return run(_due(now, limit))


def take(holder: HolderId, release_at: datetime) -> int | None:
    """Remove a row and return its diamonds; None when someone else took it."""
    return run(_take(holder, release_at))


def _due(now: datetime, limit: int) -> Steps[list[tuple[HolderId, datetime, int]]]:
    rows = yield Query(
        "SELECT holder, release_at, diamonds FROM ledger_maturing WHERE release_at <= %s "
        "ORDER BY release_at, bucket, holder LIMIT %s",
        (now, limit),
    )
    return [(HolderId(holder), at, diamonds) for holder, at, diamonds in rows]


def _take(holder: HolderId, release_at: datetime) -> Steps[int | None]:
    bucket = creator_bucket(holder)
    yield from lock_bucket(bucket)
    rows = yield Query(
        "DELETE FROM ledger_maturing WHERE bucket = %s AND release_at = %s AND holder = %s "
        "RETURNING diamonds",
        (bucket, release_at, holder),
    )
    return int(rows[0][0]) if rows else None
