"""Where coins came from and where they went, out of the ledger's rows, on Django's connection.

Owns the reads behind `ledger.provenance`: lots, the gifts of a lot, earnings and payouts. Must not
write, and must not decide what belongs to what. Invariant: every read begins with a bucket, and the
gifts of a lot are found by walking their fan's chain from its head back to the lot's first serial,
never by a scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from largesse.adapters.postgres.reading import GiftRow, gift_at
from largesse.adapters.postgres.rollup import earning_key
from largesse.ledger.lots import CoinClass, Lot, Purse, SerialRange
from largesse.ledger.provenance import (
    Cashed,
    Funded,
    LotUse,
    Piece,
    Spent,
    funded_by,
    live_serials,
    payouts_of,
    pieces,
    use_of,
)
from largesse.money.ids import HolderId, creator_bucket, fan_bucket

_LOTS = """
    SELECT l.seq, l.holder, l.class, l.channel, l.expires_at, j.at,
           l.start, l.stop, l.price_minor, l.tax_minor, l.currency, l.reference
    FROM ledger_lot l JOIN ledger_journal j ON j.bucket = l.bucket AND j.seq = l.seq
    WHERE l.bucket = %(bucket)s AND l.holder = %(holder)s AND {wanted} ORDER BY l.class, l.start
"""
_INSIDE = "l.class = %(class)s AND l.start < %(stop)s AND l.stop > %(start)s"
_ISSUED = "l.seq = %(seq)s"
_NAMED = "l.reference = %(reference)s"

_CHAIN = """
    WITH RECURSIVE chain AS (
        SELECT g.* FROM ledger_wallet w
        JOIN ledger_gift g ON g.bucket = w.bucket AND g.seq = w.head_seq
        WHERE w.bucket = %(bucket)s AND w.holder = %(holder)s
        UNION ALL
        SELECT g.* FROM chain c JOIN ledger_gift g ON g.bucket = c.bucket AND g.seq = c.prev_seq
        WHERE c.prev_seq > 0
          AND CASE %(class)s WHEN 'paid' THEN c.paid_from ELSE c.bonus_from END > %(start)s
    )
    SELECT seq, at, creator, coins, paid_from, paid_to, bonus_from, bonus_to, policy FROM chain
    WHERE CASE %(class)s WHEN 'paid' THEN paid_from < %(stop)s AND paid_to > %(start)s
          ELSE bonus_from < %(stop)s AND bonus_to > %(start)s END
    ORDER BY seq
"""

# The first tick of the creator's bucket that reached the gift, by halving: ticks are numbered
# without gaps, and what they have seen of a bucket never falls.
_TICKS = """
    WITH RECURSIVE search AS (
        SELECT w.ord, w.home, w.source, w.seq, 0::bigint AS low, r.tick + 1 AS high
        FROM unnest(%s::smallint[], %s::smallint[], %s::bigint[]) WITH ORDINALITY
            w (home, source, seq, ord)
        JOIN ledger_rollup r ON r.bucket = w.home
        UNION ALL
        SELECT s.ord, s.home, s.source, s.seq,
               CASE WHEN t.to_seq[s.source + 1] < s.seq THEN t.tick ELSE s.low END,
               CASE WHEN t.to_seq[s.source + 1] < s.seq THEN s.high ELSE t.tick END
        FROM search s JOIN ledger_tick t ON t.bucket = s.home AND t.tick = (s.low + s.high) / 2
        WHERE s.high - s.low > 1
    )
    SELECT s.ord - 1, t.tick, t.at FROM search s
    JOIN ledger_tick t ON t.bucket = s.home AND t.tick = s.high
    WHERE s.high - s.low = 1
"""
_EARNING_COLUMNS = "e.seq, j.at, e.creator, e.gifts, e.coins, e.diamonds, e.policy"
_EARNINGS_BY_ID = f"""
    SELECT {_EARNING_COLUMNS}, j.id FROM unnest(%s::smallint[], %s::uuid[]) u (bucket, id)
    JOIN ledger_journal j ON j.bucket = u.bucket AND j.id = u.id
    JOIN ledger_earning e ON e.bucket = j.bucket AND e.seq = j.seq
"""  # noqa: S608 - constants only
_EARNINGS = f"""
    SELECT {_EARNING_COLUMNS},
           (sum(e.diamonds) OVER (ORDER BY e.seq) - e.diamonds)::bigint AS before
    FROM ledger_earning e JOIN ledger_journal j ON j.bucket = e.bucket AND j.seq = e.seq
    WHERE e.bucket = %s AND e.creator = %s ORDER BY e.seq
"""  # noqa: S608 - constants only
_PAYOUTS = """
    SELECT j.event, j.reference, sum(t.amount)::bigint
    FROM ledger_journal j JOIN ledger_transfer t ON t.bucket = j.bucket AND t.seq = j.seq
    WHERE j.bucket = %s AND j.holder = %s AND j.event LIKE 'payout%%' AND t.asset = 'DIAMOND'
    GROUP BY j.seq, j.event, j.reference ORDER BY j.seq
"""
_EVENT = "SELECT event, holder, reference FROM ledger_journal WHERE bucket = %s AND seq = %s"
_VOIDS = """
    SELECT v.start, v.stop, v.seq, j.event FROM ledger_void v
    JOIN ledger_journal j ON j.bucket = v.bucket AND j.seq = v.seq
    WHERE v.bucket = %s AND v.holder = %s AND v.class = %s ORDER BY v.start
"""


@dataclass(frozen=True, slots=True)
class LotRow:
    """A lot with what the ledger knows beyond its serials and price."""

    bucket: int
    seq: int
    holder: HolderId
    coin_class: CoinClass
    channel: str
    expires_at: datetime | None
    at: datetime
    lot: Lot


@dataclass(frozen=True, slots=True)
class Earning:
    """The roll-up that took a gift to its creator, with everything else that it took."""

    bucket: int
    seq: int
    at: datetime
    creator: HolderId
    gifts: int
    coins: int
    diamonds: int
    policy: int


@dataclass(frozen=True, slots=True)
class Onward:
    """Where a gift went: the earning that took it (None: not yet), and the payouts of that."""

    earning: Earning | None
    payouts: tuple[Cashed, ...]


@dataclass(frozen=True, slots=True)
class GiftTrace:
    """A gift: the lots that paid for it, and where it went."""

    gift: GiftRow
    sources: tuple[tuple[LotRow, Piece], ...]
    onward: Onward


@dataclass(frozen=True, slots=True)
class Voided:
    """Serials of a lot that a journal took out of circulation, and what they had cost."""

    seq: int
    event: str
    coins: int
    minor: int


@dataclass(frozen=True, slots=True)
class LotTrace:
    """A lot: what became of its coins, the gifts that they paid for, and where those went."""

    row: LotRow
    use: LotUse
    voided: tuple[Voided, ...]
    gifts: tuple[tuple[Funded, Onward], ...]


@dataclass(frozen=True, slots=True)
class PayoutTrace:
    """A payout: which earnings its diamonds came from, each with the diamonds that it gave."""

    creator: HolderId
    payout: Cashed
    earnings: tuple[tuple[Earning, int], ...]


# --- Traces --------------------------------------------------------------------------------------


def trace_gift(bucket: int, seq: int) -> GiftTrace | None:
    """Return where a gift's coins came from and went to; None when none stands there."""
    gift = gift_at(bucket, seq)
    if gift is None:
        return None
    sources = []
    for coin_class, (start, stop) in (
        (CoinClass.BONUS, gift.bonus_range),
        (CoinClass.PAID, gift.paid),
    ):
        serials = SerialRange(start, stop)
        rows = _lots(gift.fan, _INSIDE, start=start, stop=stop, **{"class": coin_class.value})
        live = live_serials(serials, [void for void, _, _ in _voids(gift.fan, coin_class)])
        sources += [(row, piece) for row in rows for piece in pieces(live, [row.lot])]
    spent = [(seq, gift.creator, gift.policy)]
    return GiftTrace(gift, tuple(sources), _onward(gift.fan, spent)[0])


def lots_of_journal(bucket: int, seq: int) -> list[LotRow]:
    """Return the lots that a journal issued, or of which it took serials away."""
    rows = _rows(_EVENT, (bucket, seq))
    if not rows or not rows[0][1]:
        return []
    holder = HolderId(rows[0][1])
    if fan_bucket(holder) != bucket:
        return []
    found = _lots(holder, _ISSUED, seq=seq)
    for coin_class in CoinClass:
        for void, place, _event in _voids(holder, coin_class):
            if place == seq:
                where = {"start": void.start, "stop": void.stop, "class": coin_class.value}
                found += _lots(holder, _INSIDE, **where)
    return found


def lots_of_reference(holder: HolderId, reference: str) -> list[LotRow]:
    """Return a fan's lots that one order or promotion brought."""
    return _lots(holder, _NAMED, reference=reference)


def trace_lot(row: LotRow) -> LotTrace:
    """Return what became of a lot."""
    voids = _voids(row.holder, row.coin_class)
    funded = list(funded_gifts(row))
    policies = {gift.seq: policy for gift, policy in _chain(row)}
    spent = [(one.gift.seq, one.gift.creator, policies[one.gift.seq]) for one in funded]
    voided = [
        Voided(seq, event, piece.coins, piece.minor)
        for void, seq, event in voids
        for piece in pieces([void], [row.lot])
    ]
    purse = _purse(row, [void for void, _, _ in voids])
    gifts = zip(funded, _onward(row.holder, spent), strict=True)
    return LotTrace(row, use_of(row.lot, purse), tuple(voided), tuple(gifts))


def funded_gifts(row: LotRow) -> Iterator[Funded]:
    """Yield exactly the gifts that a lot funded, oldest first: what a chargeback is about."""
    voids = [void for void, _, _ in _voids(row.holder, row.coin_class)]
    return funded_by(row.lot, row.coin_class, (gift for gift, _ in _chain(row)), voids)


def trace_payout(creator: HolderId, reference: str) -> PayoutTrace | None:
    """Return which earnings a payout was made of; None when its diamonds went back or never left.

    Diamonds leave first in, first out.
    """
    begin = 0
    for payout in _cashed(creator):
        if payout.reference == reference:
            break
        begin += payout.diamonds
    else:
        return None
    stop = begin + payout.diamonds
    found = []
    for earning, before in _earnings(creator):
        own = min(stop, before + earning.diamonds) - max(begin, before)
        if own > 0:
            found.append((earning, own))
    return PayoutTrace(creator, payout, tuple(found))


def payout_place(creator: HolderId, reference: str) -> tuple[int, int] | None:
    """Return where a payout was requested, or None."""
    rows = _rows(
        "SELECT bucket, seq FROM ledger_journal WHERE bucket = %s AND holder = %s "
        "AND event = 'payout_requested' AND reference = %s",
        (creator_bucket(creator), creator, reference),
    )
    return (rows[0][0], rows[0][1]) if rows else None


def journal_at(bucket: int, seq: int) -> tuple[str, HolderId, str] | None:
    """Return event, holder and reference of a journal; None when none stands there."""
    rows = _rows(_EVENT, (bucket, seq))
    return (rows[0][0], HolderId(rows[0][1]), rows[0][2]) if rows else None


# --- Onward --------------------------------------------------------------------------------------


def _onward(fan: HolderId, gifts: Sequence[tuple[int, HolderId, int]]) -> list[Onward]:
    """Return where gifts (sequence, creator, policy) of a fan went, in their order."""
    taken = _earnings_of(fan, gifts)
    before: dict[int, int] = {}
    cashed: dict[HolderId, list[Cashed]] = {}
    for creator in {earning.creator for earning in taken.values()}:
        cashed[creator] = list(_cashed(creator))
        wanted = {earning.seq for earning in taken.values() if earning.creator == creator}
        before |= {e.seq: sum_before for e, sum_before in _earnings(creator) if e.seq in wanted}
    found = []
    for number in range(len(gifts)):
        earning = taken.get(number)
        if earning is None:
            found.append(Onward(None, ()))
            continue
        start = before[earning.seq]
        payouts = payouts_of(start, start + earning.diamonds, cashed[earning.creator])
        found.append(Onward(earning, tuple(payouts)))
    return found


def _earnings_of(fan: HolderId, gifts: Sequence[tuple[int, HolderId, int]]) -> dict[int, Earning]:
    """Return the earnings that took some gifts, by the gifts' positions."""
    homes = [creator_bucket(creator) for _, creator, _ in gifts]
    source = [fan_bucket(fan)] * len(gifts)
    ids = {}
    for number, tick, at in _rows(_TICKS, (homes, source, [seq for seq, _, _ in gifts])):
        _, creator, policy = gifts[number]
        ids[number] = earning_key(at, creator, tick, policy)
    wanted = [homes[number] for number in ids], list(ids.values())
    by_id = {row[-1]: _earning(row) for row in _rows(_EARNINGS_BY_ID, wanted)}
    return {number: by_id[key] for number, key in ids.items() if key in by_id}


def _earnings(creator: HolderId) -> Iterator[tuple[Earning, int]]:
    """Yield a creator's earnings, oldest first, each with the diamonds that came before it."""
    for row in _rows(_EARNINGS, (creator_bucket(creator), creator)):
        yield _earning(row), row[-1]


def _earning(row: Sequence[Any]) -> Earning:
    seq, at, creator, gifts, coins, diamonds, policy = row[:7]
    home = creator_bucket(creator)
    return Earning(home, seq, at, HolderId(creator), gifts, coins, diamonds, policy)


def _cashed(creator: HolderId) -> Iterable[Cashed]:
    """Return a creator's payouts that took diamonds and did not give them back."""
    standing: dict[str, Cashed] = {}
    for event, reference, diamonds in _rows(_PAYOUTS, (creator_bucket(creator), creator)):
        if event == "payout_returned":
            standing.pop(reference, None)
        elif event == "payout_requested":
            standing[reference] = Cashed(reference, diamonds, "held")
        else:
            known = standing.get(reference)
            standing[reference] = Cashed(reference, known.diamonds if known else diamonds, "paid")
    return standing.values()


# --- Rows ----------------------------------------------------------------------------------------


def _lots(holder: HolderId, wanted: str, **params: Any) -> list[LotRow]:
    bucket = fan_bucket(holder)
    rows = _rows(_LOTS.format(wanted=wanted), {"bucket": bucket, "holder": holder, **params})
    return [
        LotRow(
            bucket,
            seq,
            HolderId(owner),
            CoinClass(name),
            channel,
            expires_at,
            at,
            Lot(SerialRange(start, stop), *terms),
        )
        for seq, owner, name, channel, expires_at, at, start, stop, *terms in rows
    ]


def _voids(holder: HolderId, coin_class: CoinClass) -> list[tuple[SerialRange, int, str]]:
    """Return a fan's void ranges of a class with the sequence and event that voided them."""
    rows = _rows(_VOIDS, (fan_bucket(holder), holder, coin_class.value))
    return [(SerialRange(start, stop), seq, event) for start, stop, seq, event in rows]


def _chain(row: LotRow) -> Iterator[tuple[Spent, int]]:
    """Yield the gifts whose ranges touch a lot, oldest first, with their share policies."""
    params = {
        "bucket": row.bucket,
        "holder": row.holder,
        "class": row.coin_class.value,
        "start": row.lot.serials.start,
        "stop": row.lot.serials.stop,
    }
    for seq, at, creator, coins, a, b, c, d, policy in _rows(_CHAIN, params):
        spent = Spent(seq, at, HolderId(creator), coins, SerialRange(a, b), SerialRange(c, d))
        yield spent, policy


def _purse(row: LotRow, voids: Sequence[SerialRange]) -> Purse:
    columns = f"{row.coin_class.value}_issued, {row.coin_class.value}_next"
    rows = _rows(
        f"SELECT {columns} FROM ledger_wallet "  # noqa: S608 - two names of ours
        "WHERE bucket = %s AND holder = %s",
        (row.bucket, row.holder),
    )
    issued, following = rows[0]
    return Purse(issued, following, tuple(voids))


def _rows(sql: str, params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
