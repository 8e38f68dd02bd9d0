"""The commands of finance: close a day, book a provider's settlement.

Owns when deferred revenue becomes revenue and when diamonds become a cost. Must not know pages,
providers or the store: book, readers and time come in as arguments. Invariant: each bucket is one
transaction that reads, posts and remembers, so a close can be cut anywhere and run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import Max

from largesse.earnings.rules import SharePolicy
from largesse.earnings.selectors import policies
from largesse.finance import rules
from largesse.finance.errors import DayNotOver
from largesse.finance.models import DayClose, Settlement
from largesse.finance.ports import Clearing, Deliveries
from largesse.ledger import rules as postings
from largesse.ledger.accounts import Account
from largesse.ledger.ports import Book
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import BUCKETS, FAN_BUCKETS


@dataclass(frozen=True, slots=True)
class Closed:
    """What a run closed: buckets, and minor units by currency. Empty when done before."""

    buckets: int
    revenue: dict[str, int]
    creator_cost: dict[str, int]


def close_day(book: Book, reader: Deliveries, *, day: date, now: datetime) -> Closed:
    """Close a day (UTC) that is over: one transaction a bucket, in order.

    Fans' buckets turn the deferred revenue of delivered gifts into revenue, at the exact net money
    of the lots they spent. Creators' buckets accrue what the diamonds issued so far are worth, less
    what was accrued before. Run again it does what a run before left, and nothing else. Raises
    DayNotOver and TransientError (a retry helps).
    """
    if now < rules.day_ends(day):
        raise DayNotOver(f"{day} has not ended yet.", day=day.isoformat())
    done = set(DayClose.objects.filter(day=day).values_list("bucket", flat=True))
    terms = {policy.number: policy for policy in policies()}
    revenue: dict[str, int] = {}
    cost: dict[str, int] = {}
    left = [bucket for bucket in range(BUCKETS) if bucket not in done]
    for bucket in left:
        if bucket < FAN_BUCKETS:
            _add(revenue, _close_fans(book, reader, bucket, day, now))
        else:
            _add(cost, _close_creators(book, reader, bucket, day, now, terms))
    return Closed(len(left), revenue, cost)


@transaction.atomic
def _close_fans(
    book: Book, reader: Deliveries, bucket: int, day: date, now: datetime
) -> dict[str, int]:
    delivered, seq = reader.delivered(bucket)
    if not _remember(day, bucket, delivered, seq, now):
        return {}
    amounts = [Amount(minor, asset(code)) for code, minor in sorted(delivered.items()) if minor]
    if amounts:
        key = rules.close_key("revenue", day, bucket)
        book.post([postings.revenue_closed(key, now, bucket, amounts, f"close {day}")])
    reader.mark_closed(bucket, seq)
    return delivered


@transaction.atomic
def _close_creators(
    book: Book,
    reader: Deliveries,
    bucket: int,
    day: date,
    now: datetime,
    terms: Mapping[int, SharePolicy],
) -> dict[str, int]:
    owed = rules.owed_to_creators(reader.diamonds_by_policy(bucket), terms)
    accrued = {
        # A cost is a debit, so its balance (credits minus debits) is below zero.
        code: minor + reader.platform_balance(bucket, Account.CREATOR_COST, code)
        for code, minor in sorted(owed.items())
    }
    cost = {code: minor for code, minor in accrued.items() if minor}
    if not _remember(day, bucket, cost, 0, now):
        return {}
    for code, minor in cost.items():
        key = rules.close_key("creator_cost", day, bucket, code)
        amount = Amount(minor, asset(code))
        book.post([postings.creator_cost_closed(key, now, bucket, amount, f"close {day}")])
    return cost


def _remember(day: date, bucket: int, amounts: Mapping[str, int], seq: int, now: datetime) -> bool:
    """Write the bucket's line of the close; False when another run was faster."""
    _, is_new = DayClose.objects.get_or_create(
        day=day,
        bucket=bucket,
        defaults={"amounts": dict(amounts), "up_to_seq": seq, "posted_at": now},
    )
    return is_new


def settle_provider(
    book: Book, clearing: Clearing, *, provider: str, day: date, now: datetime
) -> dict[str, int]:
    """Book a provider's settlement of a day: one transaction a bucket. Returns minor units booked.

    What clearing still holds (captured less refunded) goes to the bank, less the provider's fee.
    A bucket whose refunds exceed its captures waits for the next day. Run again it books only
    buckets that a run before left. Raises UnknownProvider and TransientError.
    """
    booked: dict[str, int] = {}
    for bucket in range(FAN_BUCKETS):
        _add(booked, _settle_bucket(book, clearing, provider, bucket, day, now))
    return booked


@transaction.atomic
def _settle_bucket(
    book: Book, clearing: Clearing, provider: str, bucket: int, day: date, now: datetime
) -> dict[str, int]:
    settled = Settlement.objects.filter(provider=provider, bucket=bucket)
    after = settled.aggregate(seq=Max("up_to_seq"))["seq"] or 0
    open_now = clearing.unsettled(bucket, after)
    reference = f"{provider}-{day.isoformat()}"
    if settled.filter(reference=reference).exists():
        return {}
    booked: dict[str, int] = {}
    for code, minor in sorted(open_now.gross.items()):
        if minor <= 0:
            continue
        gross = Amount(minor, asset(code))
        charges = open_now.charges.get(code, 0)
        fee = rules.provider_fee(provider, gross, charges)
        Settlement.objects.create(
            provider=provider,
            reference=reference,
            bucket=bucket,
            currency=code,
            gross_minor=minor,
            fee_minor=fee.minor,
            charges=charges,
            up_to_seq=open_now.up_to_seq,
            booked_at=now,
        )
        key = rules.close_key(f"settlement/{provider}", day, bucket, code)
        book.post([postings.provider_settled(key, now, bucket, gross, fee, reference)])
        booked[code] = minor
    return booked


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for code, minor in more.items():
        sums[code] = sums.get(code, 0) + minor
