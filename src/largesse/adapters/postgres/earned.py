"""What creators earned over time, on Django's connection.

Owns the sums behind a studio's figures. Must not write. Invariant: every figure is a sum of rows of
the roll-up, so it agrees with the statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.statements import Query, Steps
from largesse.money.ids import HolderId, creator_bucket


@dataclass(frozen=True, slots=True)
class EarnedDay:
    """One day (UTC) of a creator: gifts received, their coins, and the diamonds for them."""

    day: date
    gifts: int
    coins: int
    diamonds: int


def earned_by_day(creator: HolderId, since: datetime) -> list[EarnedDay]:
    """Return the days with earnings since a time, the earliest first."""
    return run(_earned_by_day(creator, since))


def _earned_by_day(creator: HolderId, since: datetime) -> Steps[list[EarnedDay]]:
    rows = yield Query(
        """
        SELECT (k.at AT TIME ZONE 'UTC')::date AS day, sum(e.gifts)::bigint, sum(e.coins)::bigint,
               sum(e.diamonds)::bigint
        FROM ledger_earning e JOIN ledger_tick k ON k.bucket = e.bucket AND k.tick = e.tick
        WHERE e.bucket = %s AND e.creator = %s AND k.at >= %s
        GROUP BY day ORDER BY day
        """,
        (creator_bucket(creator), creator, since),
    )
    return [EarnedDay(*row) for row in rows]
