"""Reads of payouts.

Owns what pages, jobs and the console may ask. Must not change anything. Invariant: a read for a
creator takes the creator's id, so nobody sees another one's payouts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from largesse.money.ids import BadId, HolderId, PayoutId, parse_public_id
from largesse.payouts.errors import UnknownDestination, UnknownPayout
from largesse.payouts.models import Destination, Payout
from largesse.payouts.rules import OPEN, Status

STALE_AFTER = timedelta(hours=24)
"""An open payout that is older is shown to operators; it is never failed for that."""


def destinations_of(holder: HolderId) -> list[Destination]:
    """Return the places to which a creator can be paid, the newest first."""
    return list(Destination.objects.filter(holder=holder, removed_at=None))


def destination_of(holder: HolderId, destination_id: int) -> Destination:
    """Return a destination in use; raises UnknownDestination, also for somebody else's."""
    found = Destination.objects.filter(pk=destination_id, holder=holder, removed_at=None).first()
    if found is None:
        raise UnknownDestination("You have no such destination. Add it first.")
    return found


def payouts_of(holder: HolderId, limit: int = 50) -> list[Payout]:
    """Return a creator's payouts, the newest first, with their destinations."""
    return list(Payout.objects.filter(holder=holder).select_related("destination")[:limit])


def payout_of(holder: HolderId, payout_id: PayoutId) -> Payout:
    """Return a creator's payout; raises UnknownPayout, also for somebody else's."""
    found = Payout.objects.filter(pk=payout_id, holder=holder).select_related("destination").first()
    if found is None:
        raise UnknownPayout("You have no such payout.")
    return found


def key_of(name: str) -> UUID | None:
    """Return the key of the payout with this public id or provider's transfer id, or None."""
    try:
        mine = Q(pk=parse_public_id("pay", name))
    except BadId:
        mine = Q(transfer_id=name)
    return Payout.objects.filter(mine).values_list("key", flat=True).first()


def due_payouts(now: datetime, limit: int) -> list[PayoutId]:
    """Return the open payouts that the sweep should ask about, the longest waiting first."""
    rows = Payout.objects.filter(status__in=OPEN, parked="", next_attempt_at__lte=now)
    return [
        PayoutId(pk) for pk in rows.order_by("next_attempt_at").values_list("pk", flat=True)[:limit]
    ]


def payouts_by_status() -> dict[Status, int]:
    """Return how many payouts stand in each status, zeros included."""
    rows = Payout.objects.order_by().values_list("status").annotate(count=Count("pk"))
    counted = dict(rows)
    return {status: counted.get(status.value, 0) for status in Status}


def needing_attention(now: datetime) -> QuerySet[Payout]:
    """Return parked payouts and open ones older than a day, for operators."""
    stale = Q(status__in=OPEN, created_at__lt=now - STALE_AFTER)
    return Payout.objects.filter(~Q(parked="") | stale)
