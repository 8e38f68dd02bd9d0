"""The books checked: every invariant of the ledger as a query that names what breaks it.

Owns the invariants I1 to I5 over the stored rows; those of lots and of the order in which they are
spent (I9) are in `checks_of_lots`, and I4's other half, that every captured order has its lot, is
`finance.rules`. Must not repair anything. Invariant: all checks see one snapshot, and an empty
result means that the books hold.

A check's SQL returns (account, message) a break. `:entries` stands for all postings as signed
changes, credits positive: the transfers' two sides, and the gifts' two sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection

from largesse.adapters.postgres.checks_of_lots import CHECKS_OF_LOTS

ENTRIES = """
    SELECT bucket, debit_holder AS holder, debit AS code, asset, -amount AS change
    FROM ledger_transfer
    UNION ALL SELECT bucket, credit_holder, credit, asset, amount FROM ledger_transfer
    UNION ALL SELECT bucket, fan, 'fan_paid', 'COIN', bonus - coins FROM ledger_gift
    UNION ALL SELECT bucket, fan, 'fan_bonus', 'COIN', -bonus FROM ledger_gift
    UNION ALL SELECT bucket, 0, 'gift_clearing', 'COIN', coins FROM ledger_gift
"""
STORED = """
    SELECT bucket, holder, code, asset, balance FROM ledger_account
    UNION ALL SELECT bucket, 0, 'gift_clearing', 'COIN', gift_clearing FROM ledger_bucket
    UNION ALL SELECT bucket, holder, 'fan_paid', 'COIN', paid_issued - paid_next - paid_void
              FROM ledger_wallet
    UNION ALL SELECT bucket, holder, 'fan_bonus', 'COIN', bonus_issued - bonus_next - bonus_void
              FROM ledger_wallet
    UNION ALL SELECT bucket, holder, 'fan_debt', 'COIN', -debt FROM ledger_wallet
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold: its invariant, what it says, and the SQL that finds breaks."""

    invariant: str
    title: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One break: which invariant, at which account, and what is wrong."""

    invariant: str
    account: str
    message: str


CHECKS = (
    Check(
        "I1",
        "debits equal credits per asset in every bucket",
        "SELECT 'bucket ' || bucket || ' ' || asset, 'balances sum to ' || sum(balance) "
        "FROM (:stored) s GROUP BY bucket, asset HAVING sum(balance) <> 0",
    ),
    Check(
        "I1",
        "every journal has transfers, and every transfer a journal",
        "SELECT 'bucket ' || coalesce(j.bucket, t.bucket), 'journal ' || coalesce(j.seq, t.seq) || "
        "' has no ' || CASE WHEN j.seq IS NULL THEN 'head' ELSE 'transfers' END "
        "FROM ledger_journal j FULL JOIN (SELECT DISTINCT bucket, seq FROM ledger_transfer) t "
        "ON t.bucket = j.bucket AND t.seq = j.seq WHERE j.seq IS NULL OR t.seq IS NULL",
    ),
    Check(
        "I2",
        "every stored balance is the sum of its entries",
        "SELECT coalesce(s.code, e.code) || ':' || coalesce(s.holder, e.holder) || ' in bucket ' "
        "|| coalesce(s.bucket, e.bucket), 'stored ' || coalesce(s.balance, 0) || ' ' || "
        "coalesce(s.asset, e.asset) || ', entries sum to ' || coalesce(e.balance, 0) "
        "FROM (:stored) s FULL JOIN (SELECT bucket, holder, code, asset, sum(change) AS balance "
        "FROM (:entries) x GROUP BY bucket, holder, code, asset) e "
        "ON e.bucket = s.bucket AND e.holder = s.holder AND e.code = s.code AND e.asset = s.asset "
        "WHERE coalesce(s.balance, 0) <> coalesce(e.balance, 0)",
    ),
    Check(
        "I2",
        "what is held is what pending journals reserve",
        "SELECT coalesce(h.code, r.code) || ':' || coalesce(h.holder, r.holder) || ' in bucket ' "
        "|| coalesce(h.bucket, r.bucket), 'held ' || coalesce(h.held, 0) || ', pending journals "
        "reserve ' || coalesce(r.amount, 0) FROM (SELECT bucket, holder, code, asset, held "
        "FROM ledger_account UNION ALL SELECT bucket, holder, 'fan_paid', 'COIN', paid_held "
        "FROM ledger_wallet UNION ALL SELECT bucket, holder, 'fan_bonus', 'COIN', bonus_held "
        "FROM ledger_wallet) h FULL JOIN (SELECT r.bucket, r.holder, r.code, r.asset, "
        "sum(r.amount) AS amount FROM ledger_reserved r LEFT JOIN ledger_pending p "
        "ON p.bucket = r.bucket AND p.id = r.id WHERE coalesce(p.state, 'pending') = 'pending' "
        "GROUP BY r.bucket, r.holder, r.code, r.asset) r ON r.bucket = h.bucket "
        "AND r.holder = h.holder AND r.code = h.code AND r.asset = h.asset "
        "WHERE coalesce(h.held, 0) <> coalesce(r.amount, 0)",
    ),
    Check(
        "I2",
        "a two-phase journal stands in the books exactly when it was posted",
        "SELECT 'hold of ' || p.holder, p.reason || ' ' || p.id || ' is ' || "
        "p.state || CASE WHEN j.id IS NULL THEN ' without' ELSE ' with' END || ' a journal' "
        "FROM ledger_pending p LEFT JOIN ledger_journal j ON j.bucket = p.bucket AND j.id = p.id "
        "WHERE (p.state = 'posted') <> (j.id IS NOT NULL) OR j.fingerprint <> p.fingerprint",
    ),
    Check(
        "I3",
        "no account of a fan or creator is below zero; a shortfall is a debt",
        "SELECT code || ':' || holder, 'stands at ' || balance FROM (:stored) s "
        "WHERE balance < 0 AND holder <> 0 AND code <> 'fan_debt' "
        "UNION ALL SELECT 'fan_debt:' || holder, 'a debt below zero: ' || debt "
        "FROM ledger_wallet WHERE debt < 0",
    ),
    Check(
        "I4",
        "every recharge issued exactly one lot of exactly its coins and price",
        "SELECT 'fan_paid:' || j.holder, 'recharge ' || j.reference || ' issued ' || "
        "coalesce(l.coins, 0) || ' coins in ' || coalesce(l.lots, 0) || ' lots for ' || "
        "coalesce(t.coins, 0) FROM ledger_journal j "
        "LEFT JOIN (SELECT bucket, seq, count(*) AS lots, sum(stop - start) AS coins, "
        "sum(price_minor) AS price FROM ledger_lot GROUP BY bucket, seq) l "
        "ON l.bucket = j.bucket AND l.seq = j.seq "
        "LEFT JOIN (SELECT bucket, seq, sum(amount) FILTER (WHERE credit = 'fan_paid') AS coins, "
        "coalesce(sum(amount) FILTER (WHERE debit = 'provider_clearing'), 0) AS price "
        "FROM ledger_transfer GROUP BY bucket, seq) t ON t.bucket = j.bucket AND t.seq = j.seq "
        "WHERE j.event = 'recharge' "
        "AND (l.lots, l.coins, l.price) IS DISTINCT FROM (1::bigint, t.coins, t.price)",
    ),
    Check(
        "I4",
        "lots cover the serials issued, without gap or overlap",
        "SELECT coalesce(l.class, w.class) || ' coins of fan ' || coalesce(l.holder, w.holder), "
        "'lots cover ' || coalesce(l.coins, 0) || ' serials up to ' || coalesce(l.last, 0) || "
        "' with ' || coalesce(l.jumps, 0) || ' jumps, issued ' || coalesce(w.issued, 0) "
        "FROM (SELECT bucket, holder, 'paid' AS class, paid_issued AS issued FROM ledger_wallet "
        "UNION ALL SELECT bucket, holder, 'bonus', bonus_issued FROM ledger_wallet) w "
        "FULL JOIN (SELECT bucket, holder, class, sum(stop - start) AS coins, max(stop) AS last, "
        "count(*) FILTER (WHERE start <> before) AS jumps FROM (SELECT *, lag(stop, 1, 0::bigint) "
        "OVER (PARTITION BY bucket, holder, class ORDER BY start) AS before FROM ledger_lot) o "
        "GROUP BY bucket, holder, class) l "
        "ON l.bucket = w.bucket AND l.holder = w.holder AND l.class = w.class "
        "WHERE (coalesce(l.coins, 0), coalesce(l.last, 0), coalesce(l.jumps, 0)) "
        "<> (coalesce(w.issued, 0), coalesce(w.issued, 0), 0)",
    ),
    *(Check(*one) for one in CHECKS_OF_LOTS),
    Check(
        "I5",
        "the sequence of every bucket has no gap and no double",
        "SELECT 'bucket ' || b.bucket, 'sequence ends at ' || b.last_seq || ' but counts ' || "
        "count(s.seq) || ' postings, ' || count(DISTINCT s.seq) || ' distinct, up to ' || "
        "coalesce(max(s.seq), 0) FROM ledger_bucket b LEFT JOIN "
        "(SELECT bucket, seq FROM ledger_journal UNION ALL SELECT bucket, seq FROM ledger_gift) s "
        "ON s.bucket = b.bucket GROUP BY b.bucket, b.last_seq HAVING count(s.seq) <> b.last_seq "
        "OR count(DISTINCT s.seq) <> b.last_seq OR coalesce(max(s.seq), 0) <> b.last_seq",
    ),
    Check(
        "I5",
        "a fan's gifts spend serials one after the other, each once",
        "SELECT 'fan ' || fan, 'gift ' || seq || ' spends from ' || paid_from || '/' || bonus_from "
        "|| ' after ' || paid_before || '/' || bonus_before FROM (SELECT fan, seq, paid_from, "
        "bonus_from, prev_seq, lag(paid_to, 1, 0::bigint) OVER f AS paid_before, "
        "lag(bonus_to, 1, 0::bigint) OVER f AS bonus_before, "
        "lag(seq, 1, 0::bigint) OVER f AS seq_before FROM ledger_gift "
        "WINDOW f AS (PARTITION BY bucket, fan ORDER BY seq)) g "
        "WHERE paid_from <> paid_before OR bonus_from <> bonus_before OR prev_seq <> seq_before",
    ),
    Check(
        "I5",
        "a gift's serial ranges, less void ones, are its coins",
        "SELECT 'fan ' || g.fan, 'gift ' || g.seq || ' took ' || g.coins || ' coins but spent ' || "
        "(g.paid_to - g.paid_from + g.bonus_to - g.bonus_from) || ' serials' FROM ledger_gift g "
        "LEFT JOIN LATERAL (SELECT "
        "sum(v.stop - v.start) FILTER (WHERE v.class = 'paid' AND v.start >= g.paid_from "
        "AND v.stop <= g.paid_to) AS paid, sum(v.stop - v.start) FILTER (WHERE v.class = 'bonus' "
        "AND v.start >= g.bonus_from AND v.stop <= g.bonus_to) AS bonus FROM ledger_void v "
        "WHERE v.bucket = g.bucket AND v.holder = g.fan) v ON true "
        "WHERE g.paid_to - g.paid_from - coalesce(v.paid, 0) <> g.coins - g.bonus "
        "OR g.bonus_to - g.bonus_from - coalesce(v.bonus, 0) <> g.bonus",
    ),
    Check(
        "I5",
        "coins in clearing are exactly those of gifts not yet rolled up",
        "SELECT 'gift_clearing', 'holds ' || held.coins || ' coins, gifts not rolled up ' || "
        "coalesce(waiting.coins, 0) FROM (SELECT sum(gift_clearing) AS coins FROM ledger_bucket) "
        "held, (SELECT sum(g.coins) AS coins FROM ledger_gift g JOIN ledger_rollup r ON r.bucket = "
        "64 + (g.creator & 63) AND g.seq > r.seen[g.bucket + 1]) waiting "
        "WHERE held.coins <> coalesce(waiting.coins, 0)",
    ),
    Check(
        "I5",
        "every creator was credited the coins of their gifts, once",
        "SELECT 'creator_pending:' || coalesce(e.creator, g.creator), 'credited for ' || "
        "coalesce(e.coins, 0) || ' coins, gifts of ' || coalesce(g.coins, 0) FROM "
        "(SELECT creator, sum(coins) AS coins FROM ledger_earning GROUP BY creator) e FULL JOIN "
        "(SELECT g.creator, sum(g.coins) AS coins FROM ledger_gift g JOIN ledger_rollup r "
        "ON r.bucket = 64 + (g.creator & 63) AND g.seq <= r.seen[g.bucket + 1] GROUP BY g.creator) "
        "g ON g.creator = e.creator WHERE coalesce(e.coins, 0) <> coalesce(g.coins, 0)",
    ),
    Check(
        "I5",
        "diamonds are the share of the coins, to the last ten-thousandth",
        "SELECT 'creator_pending:' || e.creator, 'diamonds ' || e.diamonds || ' and remainder ' || "
        "coalesce(r.remainder::text, 'none') || ' for a share of ' || coalesce(e.share::text, "
        "'an unknown policy') FROM (SELECT e.bucket, e.creator, sum(e.diamonds) AS diamonds, "
        "CASE WHEN bool_and(p.number IS NOT NULL) THEN sum(e.coins * p.share_bp) END AS share "
        "FROM ledger_earning e LEFT JOIN earnings_sharepolicy p ON p.number = e.policy "
        "GROUP BY e.bucket, e.creator) e "
        "LEFT JOIN ledger_earner r ON r.bucket = e.bucket AND r.holder = e.creator "
        "WHERE e.diamonds * 10000 + r.remainder IS DISTINCT FROM e.share",
    ),
    Check(
        "I5",
        "every earning journal books what its roll-up decided",
        "SELECT 'creator_pending:' || coalesce(e.creator, j.holder), 'roll-up ' || "
        "coalesce(e.seq, j.seq) || ' decided ' || coalesce(e.coins, 0) || ' coins and ' || "
        "coalesce(e.diamonds, 0) || ' diamonds, booked ' || coalesce(j.coins, 0) || ' and ' || "
        "coalesce(j.diamonds, 0) FROM ledger_earning e "
        "FULL JOIN (SELECT j.bucket, j.seq, j.holder, "
        "coalesce(sum(t.amount) FILTER (WHERE t.credit = 'redeemed'), 0) AS coins, "
        "coalesce(sum(t.amount) FILTER (WHERE t.credit = 'creator_pending'), 0) AS diamonds "
        "FROM ledger_journal j JOIN ledger_transfer t ON t.bucket = j.bucket AND t.seq = j.seq "
        "WHERE j.event = 'earning' GROUP BY j.bucket, j.seq, j.holder) j "
        "ON j.bucket = e.bucket AND j.seq = e.seq "
        "WHERE (e.coins, e.diamonds) IS DISTINCT FROM (j.coins::bigint, j.diamonds::bigint)",
    ),
    Check(
        "I5",
        "pending diamonds are exactly those that wait to mature",
        "SELECT 'creator_pending:' || coalesce(a.holder, m.holder), 'pending ' || "
        "coalesce(a.balance, 0) || ', maturing ' || coalesce(m.diamonds, 0) FROM (SELECT holder, "
        "balance FROM ledger_account WHERE code = 'creator_pending') a FULL JOIN (SELECT holder, "
        "sum(diamonds) AS diamonds FROM ledger_maturing GROUP BY holder) m ON m.holder = a.holder "
        "WHERE coalesce(a.balance, 0) <> coalesce(m.diamonds, 0)",
    ),
)


@contextmanager
def snapshot() -> Iterator[None]:
    """Read everything inside as of one moment; inside a transaction, that transaction's view."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            cursor.execute("COMMIT")


def check(one: Check, limit: int = 20) -> list[Finding]:
    """Run one check; returns at most `limit` breaks."""
    sql = one.sql.replace(":stored", STORED).replace(":entries", ENTRIES)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {int(limit)}")
        return [Finding(one.invariant, account, message) for account, message in cursor.fetchall()]


def run_checks() -> list[Finding]:
    """Run every check on one snapshot; an empty list means that the books hold."""
    with snapshot():
        return [finding for one in CHECKS for finding in check(one)]
