"""What is known about journals and gifts, for the sentences that explain them, on Django's
connection.

Owns how the rows of a few postings become facts: transfers, serials, lots, policies, names. Must
not write, and must not choose words: `ledger.explain` does. Invariant: it reads only what the asked
places name, by keys, so a page of explanations costs the same whatever the history before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection

from largesse.adapters.postgres.reading import Entry
from largesse.catalog.selectors import gifts_by_code
from largesse.earnings.rules import SharePolicy
from largesse.earnings.selectors import policies
from largesse.gifting.rules import gift_public_id
from largesse.ledger.explain import Booked, Told, pending_since, place
from largesse.ledger.journals import Event
from largesse.ledger.lots import CoinClass, Lot, SerialRange
from largesse.ledger.provenance import cost_of, live_serials
from largesse.ledger.rules import gift_transfers
from largesse.money.assets import COIN
from largesse.money.ids import PLATFORM, BadId, HolderId, OrderId, parse_public_id
from largesse.people.selectors import display_names
from largesse.recharge.models import Order

Place = tuple[int, int]
"""A bucket and a sequence in it: where a journal or a gift stands."""

_WALKED = 1_000
"""Moves of pending diamonds that one look back fetches."""

_JOURNALS = """
    SELECT j.bucket, j.seq, j.at, j.event, j.reference, j.detail::json, j.holder,
           json_agg(json_build_array(t.debit, t.credit, t.asset, t.amount) ORDER BY t.line)
    FROM unnest(%s::smallint[], %s::bigint[]) u (bucket, seq)
    JOIN ledger_journal j ON j.bucket = u.bucket AND j.seq = u.seq
    JOIN ledger_transfer t ON t.bucket = j.bucket AND t.seq = j.seq
    GROUP BY j.bucket, j.seq, j.at, j.event, j.reference, j.detail, j.holder
"""
_GIFTS = """
    SELECT g.bucket, g.seq, g.at, g.fan, g.creator, g.gift, g.count, g.coins, g.bonus, g.policy,
           g.paid_from, g.paid_to, g.bonus_from, g.bonus_to
    FROM unnest(%s::smallint[], %s::bigint[]) u (bucket, seq)
    JOIN ledger_gift g ON g.bucket = u.bucket AND g.seq = u.seq
"""
_SPENT_LOTS = """
    SELECT g.bucket, g.seq, l.class, l.start, l.stop, l.price_minor, l.tax_minor, l.currency,
           l.reference, l.seq
    FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[])
        g (bucket, seq, holder, class, start, stop)
    JOIN ledger_lot l ON l.bucket = g.bucket AND l.holder = g.holder AND l.class = g.class
      AND l.start < g.stop AND l.stop > g.start
    ORDER BY g.bucket, g.seq, l.class, l.start
"""
_SKIPPED_VOIDS = """
    SELECT g.bucket, g.seq, v.class, v.start, v.stop
    FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[])
        g (bucket, seq, holder, class, start, stop)
    JOIN ledger_void v ON v.bucket = g.bucket AND v.holder = g.holder AND v.class = g.class
      AND v.start < g.stop AND v.stop > g.start
"""
_EARNINGS = """
    SELECT e.bucket, e.seq, e.creator, e.gifts, e.policy, e.remainder
    FROM unnest(%s::smallint[], %s::bigint[]) u (bucket, seq)
    JOIN ledger_earning e ON e.bucket = u.bucket AND e.seq = u.seq
"""
_GRANTED = """
    SELECT u.bucket, u.seq, l.expires_at
    FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[]) u (bucket, seq, holder)
    JOIN ledger_lot l ON l.bucket = u.bucket AND l.holder = u.holder AND l.seq = u.seq
    WHERE l.expires_at IS NOT NULL
"""
_REFUNDED = """
    SELECT u.bucket, u.seq, l.seq
    FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %s::text[])
        u (bucket, seq, holder, reference)
    JOIN ledger_lot l ON l.bucket = u.bucket AND l.holder = u.holder AND l.reference = u.reference
    WHERE l.class = 'paid' AND l.seq < u.seq
    ORDER BY u.bucket, u.seq, l.seq
"""
_PENDING_NOW = """
    SELECT a.balance, b.last_seq FROM ledger_account a JOIN ledger_bucket b ON b.bucket = a.bucket
    WHERE a.bucket = %s AND a.holder = %s AND a.code = 'creator_pending'
"""
_PENDING_MOVES = """
    SELECT j.seq, j.at,
           sum(CASE t.credit WHEN 'creator_pending' THEN t.amount ELSE -t.amount END)::bigint
    FROM ledger_journal j JOIN ledger_transfer t ON t.bucket = j.bucket AND t.seq = j.seq
    WHERE j.bucket = %s AND j.holder = %s AND j.seq < %s
      AND 'creator_pending' IN (t.debit, t.credit)
    GROUP BY j.bucket, j.seq, j.at ORDER BY j.seq DESC LIMIT %s
"""


@dataclass(slots=True)
class _Draft:
    """The facts of one posting while they are gathered, and the ids that need names."""

    told: Told
    holder: HolderId
    creator: HolderId = PLATFORM
    ranges: tuple[tuple[CoinClass, SerialRange], ...] = ()


def tell(places: Iterable[Place]) -> dict[Place, Told]:
    """Return what is known about the journals and gifts at some places, in a dozen queries.

    Places where nothing stands are left out. Raises ValueError for a journal of an event that does
    not exist.
    """
    wanted = sorted(set(places))
    known = {policy.number: policy for policy in policies()}
    drafts = dict(_journals(wanted))
    drafts |= _gifts([one for one in wanted if one not in drafts], known)
    _add_serials(drafts)
    _add_earnings(drafts, known)
    _add_maturities(drafts)
    _add_grants(drafts)
    _add_refunds(drafts)
    people = {holder for d in drafts.values() for holder in (d.holder, d.creator) if holder}
    names = display_names(people)
    return {
        where: replace(
            draft.told, holder=names.get(draft.holder, ""), creator=names.get(draft.creator, "")
        )
        for where, draft in drafts.items()
    }


def tell_entries(entries: Sequence[Entry]) -> dict[Place, Told]:
    """Return what is known about the entries of a statement."""
    return tell((entry.bucket, entry.seq) for entry in entries)


def _rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into the arrays that `unnest` wants."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * width


def _journals(wanted: Sequence[Place]) -> Iterator[tuple[Place, _Draft]]:
    for bucket, seq, at, event, reference, detail, holder, lines in _rows(
        _JOURNALS, *_columns(wanted, 2)
    ):
        booked = tuple(Booked(*line) for line in lines)
        reason = str(detail.get("reason", ""))
        told = Told(Event(event), at, booked, reference, reason)
        yield (bucket, seq), _Draft(told, HolderId(holder))


def _gifts(wanted: Sequence[Place], known: dict[int, SharePolicy]) -> dict[Place, _Draft]:
    rows = _rows(_GIFTS, *_columns(wanted, 2)) if wanted else []
    catalogue = gifts_by_code() if rows else {}
    drafts = {}
    for bucket, seq, at, fan, creator, code, count, coins, bonus, number, *serials in rows:
        transfers = gift_transfers(fan, coins - bonus, bonus)
        booked = (
            Booked(t.debit.account.code, t.credit.account.code, COIN.code, t.amount.minor)
            for t in transfers
        )
        gift = catalogue.get(code)
        name = gift.name if gift else ""
        told = Told(
            Event.GIFT,
            at,
            tuple(booked),
            reference=gift_public_id(fan, seq),
            gift=f"{name} × {count:,}" if name and count > 1 else name,
        )
        ranges = (
            (CoinClass.PAID, SerialRange(serials[0], serials[1])),
            (CoinClass.BONUS, SerialRange(serials[2], serials[3])),
        )
        draft = _Draft(_ruled_by(told, number, known), fan, creator, ranges)
        drafts[bucket, seq] = draft
    return drafts


def _ruled_by(told: Told, number: int, known: dict[int, SharePolicy]) -> Told:
    policy = known.get(number)
    if policy is None:
        return replace(told, policy=str(number))
    return replace(told, policy=policy.version, share_bp=policy.share_bp)


def _add_serials(drafts: dict[Place, _Draft]) -> None:
    """Tell which serials a gift spent, what they had cost and which lots they came from."""
    spent = [
        (*where, draft.holder, coin_class.value, serials.start, serials.stop)
        for where, draft in drafts.items()
        for coin_class, serials in draft.ranges
        if len(serials)
    ]
    if not spent:
        return
    voids: dict[tuple[Place, str], list[SerialRange]] = defaultdict(list)
    for bucket, seq, name, start, stop in _rows(_SKIPPED_VOIDS, *_columns(spent, 6)):
        voids[(bucket, seq), name].append(SerialRange(start, stop))
    lots: dict[tuple[Place, str], list[tuple[Lot, int]]] = defaultdict(list)
    for bucket, seq, name, start, stop, *terms, lot_seq in _rows(_SPENT_LOTS, *_columns(spent, 6)):
        lots[(bucket, seq), name].append((Lot(SerialRange(start, stop), *terms), lot_seq))
    for where, draft in drafts.items():
        live = {c: live_serials(serials, voids[where, c.value]) for c, serials in draft.ranges}
        used = {
            c: [
                (lot, seq)
                for lot, seq in lots[where, c.value]
                if any(len(part.overlap(lot.serials)) for part in parts)
            ]
            for c, parts in live.items()
        }
        paid = used.get(CoinClass.PAID, [])
        draft.told = replace(
            draft.told,
            paid=live.get(CoinClass.PAID, ()),
            bonus=live.get(CoinClass.BONUS, ()),
            cost=cost_of(live.get(CoinClass.PAID, ()), [lot for lot, _ in paid]),
            lots=tuple(dict.fromkeys(lot.reference for lot, _ in paid)),
            sources=tuple(place(where[0], seq) for pairs in used.values() for _, seq in pairs),
        )


def _of(drafts: dict[Place, _Draft], event: Event) -> dict[Place, _Draft]:
    return {where: draft for where, draft in drafts.items() if draft.told.event is event}


def _add_earnings(drafts: dict[Place, _Draft], known: dict[int, SharePolicy]) -> None:
    """Tell how many gifts a roll-up took, under which policy, and what it left over."""
    wanted = list(_of(drafts, Event.EARNING))
    if not wanted:
        return
    for bucket, seq, creator, gifts, number, remainder in _rows(_EARNINGS, *_columns(wanted, 2)):
        draft = drafts[bucket, seq]
        # An earning of less than a diamond touches no account of its creator.
        draft.holder = creator
        told = replace(draft.told, gifts=gifts, remainder=remainder)
        draft.told = _ruled_by(told, number, known)


def _add_maturities(drafts: dict[Place, _Draft]) -> None:
    """Tell since when diamonds had been pending."""
    oldest: dict[tuple[int, HolderId], int] = {}
    matured = _of(drafts, Event.MATURITY)
    for (bucket, seq), draft in matured.items():
        lane = bucket, draft.holder
        oldest[lane] = min(seq, oldest.get(lane, seq))
    for (bucket, holder), seq in oldest.items():
        since = _since(bucket, holder, seq)
        for where, draft in matured.items():
            if where[0] == bucket and draft.holder == holder and where[1] in since:
                draft.told = replace(draft.told, since=since[where[1]])


def _since(bucket: int, holder: HolderId, oldest_seq: int) -> dict[int, datetime]:
    # One statement, so that the balance is the one after the last sequence while others post.
    rows = _rows(_PENDING_NOW, bucket, holder)
    if not rows:
        return {}
    balance, last_seq = rows[0]
    return pending_since(balance, _pending_moves(bucket, holder, last_seq + 1), oldest_seq)


def _pending_moves(
    bucket: int, holder: HolderId, before_seq: int
) -> Iterator[tuple[int, datetime, int]]:
    """Yield what moved a creator's pending diamonds, newest first, read as far as it is wanted."""
    while rows := _rows(_PENDING_MOVES, bucket, holder, before_seq, _WALKED):
        yield from ((seq, at, change) for seq, at, change in rows)
        before_seq = rows[-1][0]


def _add_grants(drafts: dict[Place, _Draft]) -> None:
    """Tell when granted coins expire."""
    wanted = [(*where, draft.holder) for where, draft in _of(drafts, Event.BONUS).items()]
    if not wanted:
        return
    for bucket, seq, expires_at in _rows(_GRANTED, *_columns(wanted, 3)):
        draft = drafts[bucket, seq]
        draft.told = replace(draft.told, expires_at=expires_at)


def _add_refunds(drafts: dict[Place, _Draft]) -> None:
    """Tell why a payment was given back, and where its recharge stands."""
    refunds = _of(drafts, Event.REFUND)
    if not refunds:
        return
    wanted = [(*where, draft.holder, draft.told.reference) for where, draft in refunds.items()]
    sources: dict[Place, list[str]] = defaultdict(list)
    for bucket, seq, lot_seq in _rows(_REFUNDED, *_columns(wanted, 4)):
        sources[bucket, seq].append(place(bucket, lot_seq))
    orders = {where: _order_of(draft.told.reference) for where, draft in refunds.items()}
    reasons = dict(
        Order.objects.filter(pk__in=[o for o in orders.values() if o]).values_list(
            "pk", "refund_reason"
        )
    )
    for where, draft in refunds.items():
        reason = draft.told.reason or reasons.get(orders[where] or 0, "")
        draft.told = replace(draft.told, reason=reason, sources=tuple(sources[where]))


def _order_of(reference: str) -> OrderId | None:
    try:
        return OrderId(parse_public_id("rch", reference))
    except BadId:
        return None
