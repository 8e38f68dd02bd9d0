"""The queue of lots that expire, on Django's connection.

Owns reading and emptying it. Must not post journals: recharges do, in the same transaction that
takes a row. Invariants: a row is taken at most once; a look reads what is due, however many lots
there are or were.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.columns import Row
from largesse.adapters.postgres.statements import Query, Steps, lock_bucket
from largesse.ledger.lots import CoinClass, Lot, SerialRange
from largesse.money.ids import HolderId, fan_bucket
from largesse.recharge.ports import ExpiringLot

_FETCHED = 500
"""Rows of one look."""

_BUCKETS = """
    SELECT b FROM generate_series(0, 63) b
    WHERE EXISTS (SELECT 1 FROM ledger_expiring e WHERE e.bucket = b AND e.expires_at <= %s)
"""
_DUE = """
    SELECT e.holder, e.class, e.expires_at, l.start, l.stop, l.price_minor, l.tax_minor,
           l.currency, l.reference
    FROM (SELECT * FROM ledger_expiring
          WHERE bucket = %(bucket)s AND expires_at <= %(now)s
            AND (expires_at, holder, class, start)
                > (%(at)s::timestamptz, %(holder)s, %(class)s, %(start)s)
          ORDER BY expires_at, holder, class, start LIMIT %(limit)s) e
    JOIN ledger_lot l ON l.bucket = e.bucket AND l.holder = e.holder AND l.class = e.class
      AND l.start = e.start
    ORDER BY e.expires_at, e.holder, e.class, e.start
"""
_TAKE = """
    DELETE FROM ledger_expiring WHERE bucket = %s AND expires_at = %s AND holder = %s
      AND class = %s AND start = %s RETURNING start
"""


def due(now: datetime) -> Iterator[ExpiringLot]:
    """Yield the lots whose time has come; those that are left in the queue are met once."""
    for bucket in run(_buckets(now)):
        last: ExpiringLot | None = None
        while rows := run(_due(bucket, now, last)):
            for holder, name, at, start, stop, *terms in rows:
                lot = Lot(SerialRange(start, stop), *terms)
                last = ExpiringLot(HolderId(holder), CoinClass(name), lot, at)
                yield last


def take(due: ExpiringLot) -> bool:
    """Remove a lot from the queue; False when someone else did. Takes the bucket's lane."""
    return run(_take(due))


def _buckets(now: datetime) -> Steps[list[int]]:
    rows = yield Query(_BUCKETS, (now,))
    return [bucket for (bucket,) in rows]


def _due(bucket: int, now: datetime, last: ExpiringLot | None) -> Steps[list[Row]]:
    place = {"at": "-infinity", "holder": 0, "class": "", "start": 0}
    if last is not None:
        place = {
            "at": last.expires_at.isoformat(),
            "holder": last.holder,
            "class": last.coin_class.value,
            "start": last.lot.serials.start,
        }
    return (yield Query(_DUE, {"bucket": bucket, "now": now, "limit": _FETCHED, **place}))


def _take(due: ExpiringLot) -> Steps[bool]:
    bucket = fan_bucket(due.holder)
    yield from lock_bucket(bucket)
    where = due.holder, due.coin_class.value, due.lot.serials.start
    rows = yield Query(_TAKE, (bucket, due.expires_at, *where))
    return bool(rows)
