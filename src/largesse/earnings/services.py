"""The commands of earnings: publish a share policy, let diamonds mature.

Owns when diamonds become available. Must not know payouts or pages; book, queue, time and keys
come in as arguments. Invariant: a row of the maturing queue is removed in the transaction that
posts its maturity, so every diamond matures exactly once however often a run is cut or repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from largesse.earnings import rules
from largesse.earnings.errors import BadPolicy
from largesse.earnings.models import SharePolicy
from largesse.earnings.ports import MaturingQueue
from largesse.ledger.ports import Book
from largesse.ledger.rules import maturity
from largesse.money.ids import HolderId

DUE_ROWS = 500
"""Rows of the maturing queue that one look fetches."""

_TERMS = (
    "share_bp",
    "hold_days",
    "currency",
    "coin_gross_micro",
    "tax_bp",
    "fee_bp",
)


@dataclass(frozen=True, slots=True)
class Matured:
    """What one run did: creators served and diamonds made available."""

    creators: int
    diamonds: int


@transaction.atomic
def publish_policy(
    *,
    version: str,
    share_bp: int,
    effective_at: datetime,
    now: datetime,
    hold_days: int | None = None,
) -> rules.SharePolicy:
    """Put new terms in force from a time on; one transaction of its own.

    The value of a diamond is kept from the policies before, because creators hold diamonds that
    were promised at it; the share and the hold are what a policy changes. Publishing a version
    again with the same terms returns it. Raises BadPolicy (the name stands for other terms, or
    the numbers are none); no retry helps.
    """
    latest = SharePolicy.objects.select_for_update().order_by("-number").first()
    if latest is None:
        raise BadPolicy("The first share policy comes with the database; run the migrations.")
    terms = rules.SharePolicy(
        number=latest.number + 1,
        version=version,
        share_bp=share_bp,
        hold_days=latest.hold_days if hold_days is None else hold_days,
        currency=latest.currency,
        coin_gross_micro=latest.coin_gross_micro,
        tax_bp=latest.tax_bp,
        fee_bp=latest.fee_bp,
    )
    known = SharePolicy.objects.filter(version=version).first()
    if known is not None:
        return _same_terms(known.terms, terms)
    values = {name: getattr(terms, name) for name in _TERMS}
    row = SharePolicy.objects.create(
        number=terms.number,
        version=version,
        effective_at=effective_at,
        created_at=now,
        **values,
    )
    return row.terms


def mature_earnings(
    book: Book, queue: MaturingQueue, *, now: datetime, new_key: Callable[[], UUID]
) -> Matured:
    """Make all diamonds available whose hold has ended; one transaction for each creator.

    `new_key` gives a fresh UUIDv7 for each journal. Safe to cut anywhere and to run twice at
    once: whoever removes a row posts it. Raises TransientError when the connection gives way;
    what was done stays done, and a retry does the rest.
    """
    creators = diamonds = 0
    while due := queue.due(now, DUE_ROWS):
        taken = 0
        for holder, releases in _by_creator(due).items():
            matured = _mature_creator(book, queue, holder, releases, now, new_key())
            taken += bool(matured)
            diamonds += matured
        creators += taken
        if not taken:
            break
    return Matured(creators, diamonds)


@transaction.atomic
def _mature_creator(
    book: Book,
    queue: MaturingQueue,
    holder: HolderId,
    releases: Sequence[datetime],
    now: datetime,
    key: UUID,
) -> int:
    """Take a creator's due rows, in order, and post them as one journal."""
    diamonds = sum(queue.take(holder, release) or 0 for release in sorted(releases))
    if diamonds:
        book.post([maturity(key, now, holder, diamonds)])
    return diamonds


def _by_creator(due: Sequence[tuple[HolderId, datetime, int]]) -> dict[HolderId, list[datetime]]:
    releases: dict[HolderId, list[datetime]] = {}
    for holder, release, _diamonds in due:
        releases.setdefault(holder, []).append(release)
    return releases


def _same_terms(known: rules.SharePolicy, wanted: rules.SharePolicy) -> rules.SharePolicy:
    changed = [name for name in _TERMS if getattr(known, name) != getattr(wanted, name)]
    if changed:
        raise BadPolicy(
            f"{known.version} was published with another {', '.join(changed)}; "
            "give new terms a new version.",
            version=known.version,
        )
    return known
