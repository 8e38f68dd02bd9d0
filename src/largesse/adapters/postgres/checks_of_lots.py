"""The checks of lots: each coin has one fate, and was spent when its turn had come.

Owns the invariants of lots and of the spend order (I4, I9) as queries for `checks`: (invariant,
title, SQL that returns account and message of every break). Must not run anything. Invariant: each
check compares rows that different statements wrote.
"""

from __future__ import annotations

# Gifts say which serials they took, the wallet says which is next: they must agree on every lot.
_COINS_OF_A_LOT = """
    SELECT l.class || ' coins of fan ' || l.holder,
           'lot ' || l.reference || ' of ' || l.stop - l.start || ' coins: gifts went over '
           || coalesce(g.coins, 0) || ', ' || coalesce(v.coins, 0) || ' are void, and '
           || l.ahead || ' lie ahead'
    FROM (SELECT o.*, greatest(o.stop - greatest(o.start, CASE o.class WHEN 'paid' THEN w.paid_next
                                                          ELSE w.bonus_next END), 0) AS ahead
          FROM ledger_lot o JOIN ledger_wallet w ON w.bucket = o.bucket AND w.holder = o.holder) l
    LEFT JOIN (
        SELECT o.bucket, o.holder, o.class, o.start,
               sum(least(o.stop, s.stop) - greatest(o.start, s.start)) AS coins
        FROM (SELECT bucket, fan, 'paid' AS class, paid_from AS start, paid_to AS stop
              FROM ledger_gift
              UNION ALL SELECT bucket, fan, 'bonus', bonus_from, bonus_to FROM ledger_gift) s
        JOIN ledger_lot o ON o.bucket = s.bucket AND o.holder = s.fan AND o.class = s.class
         AND o.start < s.stop AND s.start < o.stop
        GROUP BY o.bucket, o.holder, o.class, o.start
    ) g ON g.bucket = l.bucket AND g.holder = l.holder AND g.class = l.class AND g.start = l.start
    LEFT JOIN LATERAL (
        SELECT sum(least(l.stop, o.stop) - greatest(l.start, o.start)) AS coins
        FROM ledger_void o WHERE o.bucket = l.bucket AND o.holder = l.holder AND o.class = l.class
         AND o.start < l.stop AND l.start < o.stop
    ) v ON true
    WHERE coalesce(g.coins, 0) + l.ahead <> l.stop - l.start
"""
_VOIDS = """
    SELECT w.class || ' coins of fan ' || w.holder,
           'counts ' || w.void || ' void serials ahead, found ' || coalesce(v.ahead, 0) || ', '
           || coalesce(v.twice, 0) || ' twice, the last below ' || coalesce(v.last, 0) || ' of '
           || w.issued
    FROM (SELECT bucket, holder, 'paid' AS class, paid_next AS next, paid_void AS void,
                 paid_issued AS issued FROM ledger_wallet
          UNION ALL
          SELECT bucket, holder, 'bonus', bonus_next, bonus_void, bonus_issued
          FROM ledger_wallet) w
    LEFT JOIN LATERAL (
        SELECT sum(o.stop - o.start) FILTER (WHERE o.start >= w.next) AS ahead,
               max(o.stop) AS last, sum(greatest(o.before - o.start, 0)) AS twice
        FROM (SELECT start, stop, lag(stop, 1, 0::bigint) OVER (ORDER BY start) AS before
              FROM ledger_void k
              WHERE k.bucket = w.bucket AND k.holder = w.holder AND k.class = w.class) o
    ) v ON true
    WHERE w.void <> coalesce(v.ahead, 0) OR coalesce(v.twice, 0) > 0
       OR coalesce(v.last, 0) > w.issued
"""
# A gift touches the second class only when nothing of the first is left after it. Coins on hold are
# left alone; what a fan's holds ever reserved is looked up for those who seem to break the rule.
_ORDER = """
    SELECT 'fan ' || fan,
           'gift ' || seq || ' took ' || bonus_taken || ' bonus of ' || coins || ' coins and left '
           || paid || ' paid and ' || bonus || ' bonus coins, with '
           || CASE WHEN paid_first THEN 'paid' ELSE 'bonus' END || ' coins first'
    FROM (
        SELECT g.bucket, g.fan, g.seq, g.coins, g.bonus AS bonus_taken, m.paid, m.bonus,
               coalesce(o.paid_first, false) AS paid_first
        FROM (
            SELECT bucket, seq, is_gift, sum(paid) OVER f AS paid, sum(bonus) OVER f AS bonus
            FROM (
                SELECT bucket, debit_holder AS holder, seq, false AS is_gift,
                       CASE debit WHEN 'fan_paid' THEN -amount ELSE 0 END AS paid,
                       CASE debit WHEN 'fan_bonus' THEN -amount ELSE 0 END AS bonus
                FROM ledger_transfer WHERE debit IN ('fan_paid', 'fan_bonus')
                UNION ALL
                SELECT bucket, credit_holder, seq, false,
                       CASE credit WHEN 'fan_paid' THEN amount ELSE 0 END,
                       CASE credit WHEN 'fan_bonus' THEN amount ELSE 0 END
                FROM ledger_transfer WHERE credit IN ('fan_paid', 'fan_bonus')
                UNION ALL
                SELECT bucket, fan, seq, true, bonus - coins, -bonus FROM ledger_gift
            ) e WINDOW f AS (PARTITION BY bucket, holder ORDER BY seq)
        ) m
        JOIN ledger_gift g ON g.bucket = m.bucket AND g.seq = m.seq
        LEFT JOIN LATERAL (
            SELECT paid_first FROM ledger_spend_order s
            WHERE s.bucket = g.bucket AND s.holder = g.fan AND s.after_seq < g.seq
            ORDER BY s.after_seq DESC LIMIT 1
        ) o ON true
        WHERE m.is_gift
    ) x
    WHERE CASE WHEN paid_first THEN bonus_taken > 0 AND paid > 0
               ELSE bonus_taken < coins AND bonus > 0 END
      AND CASE WHEN paid_first THEN paid ELSE bonus END > (
          SELECT coalesce(sum(r.amount), 0) FROM ledger_reserved r
          WHERE r.bucket = x.bucket AND r.holder = x.fan
            AND r.code = CASE WHEN x.paid_first THEN 'fan_paid' ELSE 'fan_bonus' END)
"""
_DECIDED = """
    SELECT 'fan ' || w.holder,
           'spends ' || CASE WHEN w.paid_first THEN 'paid' ELSE 'bonus' END
           || ' coins first, and the other order was decided last'
    FROM ledger_wallet w LEFT JOIN LATERAL (
        SELECT paid_first FROM ledger_spend_order s
        WHERE s.bucket = w.bucket AND s.holder = w.holder ORDER BY s.after_seq DESC LIMIT 1
    ) o ON true
    WHERE w.paid_first <> coalesce(o.paid_first, false)
"""
_PRICES = """
    SELECT class || ' coins of fan ' || holder,
           'lot ' || reference || ' at ' || start || ' was paid with ' || price_minor || ' '
           || currency || ', ' || tax_minor || ' of it tax'
    FROM ledger_lot
    WHERE tax_minor > price_minor OR (class = 'bonus' AND price_minor > 0)
       OR (price_minor > 0 AND currency = '')
"""

CHECKS_OF_LOTS: tuple[tuple[str, str, str], ...] = (
    ("I4", "a lot's price is in a currency, its tax within it, and a bonus is free", _PRICES),
    ("I9", "the coins of every lot are given away, void or unspent, each once", _COINS_OF_A_LOT),
    ("I9", "a wallet counts the void serials that lie ahead, none twice", _VOIDS),
    ("I9", "every gift took its coins in the order that was decided for its fan", _ORDER),
    ("I9", "a wallet spends in the order that was decided last", _DECIDED),
)
