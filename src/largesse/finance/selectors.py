"""Reads of finance.

Owns how the console asks for closed days and settlements. Must not change anything. Invariant: sums
are over what was posted, as the rows say.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from largesse.finance.models import DayClose
from largesse.money.ids import BUCKETS, FAN_BUCKETS


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day's postings in minor units per currency; `is_complete` when every bucket is closed."""

    day: date
    revenue: dict[str, int]
    creator_cost: dict[str, int]
    is_complete: bool


def closed_days(limit: int = 14) -> list[ClosedDay]:
    """Return the latest closed days, the newest first."""
    days = DayClose.objects.order_by("-day").values_list("day", flat=True).distinct()[:limit]
    return [_closed_day(day) for day in days]


def is_closed(day: date) -> bool:
    """Tell whether every bucket of a day is closed."""
    return DayClose.objects.filter(day=day).count() == BUCKETS


def _closed_day(day: date) -> ClosedDay:
    revenue: Counter[str] = Counter()
    cost: Counter[str] = Counter()
    rows = list(DayClose.objects.filter(day=day))
    for row in rows:
        (revenue if row.bucket < FAN_BUCKETS else cost).update(row.amounts)
    return ClosedDay(day, dict(revenue), dict(cost), len(rows) == BUCKETS)
