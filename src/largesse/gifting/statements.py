"""What the live service reads and writes in the tables of gifting, as SQL.

Owns the statements over `gifting_*` that run outside Django. Must not know who runs them.
Invariant: the tally moves each bucket's mark in the statement that adds the gifts up to it, so a
gift is counted exactly once, whatever process runs it and wherever it is interrupted.
"""

from __future__ import annotations

LINES_KEPT = 50
"""Lines of a room that are always kept; older ones go once they have rested for ten minutes."""

ROWS_A_BUCKET = 5_000

ENSURE_MARKS = """
INSERT INTO gifting_tally_mark (bucket, seq) SELECT generate_series(0, 63), 0
ON CONFLICT (bucket) DO NOTHING
"""
"""A bucket without a mark is tallied from its first gift."""

# A bucket's sequence is gapless and its lane is held until commit: all gifts up to the `last_seq`
# that this statement sees are visible to it. SKIP LOCKED leaves buckets that another process is
# tallying to that process; a mark that moved meanwhile fails the re-check and waits for the next
# turn.
TALLY = f"""
WITH due AS MATERIALIZED (
    SELECT m.bucket, m.seq, least(b.last_seq, m.seq + {ROWS_A_BUCKET}) AS upto
    FROM gifting_tally_mark m JOIN ledger_bucket b ON b.bucket = m.bucket
    WHERE b.last_seq > m.seq
    ORDER BY m.bucket FOR UPDATE OF m SKIP LOCKED
), fresh AS MATERIALIZED (
    SELECT g.* FROM due d CROSS JOIN LATERAL (
        SELECT bucket, seq, coalesce(nullif(streak_seq, 0), seq) AS first_seq, room, fan, gift,
               count, coins, at
        FROM ledger_gift
        WHERE bucket = d.bucket AND seq > d.seq AND seq <= d.upto AND room <> 0
    ) g
), tallied AS (
    INSERT INTO gifting_room_tally AS t (room, fan, coins, gifts)
    SELECT room, fan, sum(coins), sum(count) FROM fresh GROUP BY room, fan ORDER BY room, fan
    ON CONFLICT (room, fan) DO UPDATE
    SET coins = t.coins + excluded.coins, gifts = t.gifts + excluded.gifts
), lined AS (
    INSERT INTO gifting_gift_line AS l
        (bucket, first_seq, room, fan, gift, count, coins, opened_at, last_at)
    SELECT bucket, first_seq, min(room), min(fan), min(gift), sum(count), sum(coins), min(at),
           max(at)
    FROM fresh GROUP BY bucket, first_seq ORDER BY bucket, first_seq
    ON CONFLICT (bucket, first_seq) DO UPDATE
    SET count = l.count + excluded.count, coins = l.coins + excluded.coins,
        last_at = greatest(l.last_at, excluded.last_at)
), marked AS (
    UPDATE gifting_tally_mark m SET seq = d.upto FROM due d WHERE m.bucket = d.bucket
)
SELECT (SELECT count(*) FROM fresh)
"""  # noqa: S608 - constants only
"""Adds committed gifts to the tallies and lines; returns how many gifts it added."""

PRUNE_LINES = f"""
DELETE FROM gifting_gift_line WHERE (bucket, first_seq) IN (
    SELECT bucket, first_seq FROM (
        SELECT bucket, first_seq, last_at,
               row_number() OVER (PARTITION BY room ORDER BY opened_at DESC, bucket, first_seq) AS n
        FROM gifting_gift_line
    ) lines WHERE n > {LINES_KEPT} AND last_at < %(rested)s)
"""  # noqa: S608 - constants only

OPEN_ROOMS = """
SELECT r.id, r.creator, h.display_name, h.handle, r.title, r.status, r.policy, p.version
FROM gifting_room r JOIN people_holder h ON h.id = r.creator
JOIN earnings_sharepolicy p ON p.number = r.policy
WHERE r.status = 'open' OR r.id = ANY (%(known)s)
"""
"""Rooms that are open, and those of the given ids whatever their status."""

ONE_ROOM = """
SELECT r.id, r.creator, h.display_name, h.handle, r.title, r.status, r.policy, p.version
FROM gifting_room r JOIN people_holder h ON h.id = r.creator
JOIN earnings_sharepolicy p ON p.number = r.policy
WHERE r.id = %(room)s
"""

GIFT_TYPES = """
SELECT code, slug, name, coins, streakable, retired_at IS NOT NULL, alt FROM catalog_gift
"""

ROOM_TALLY = """
SELECT t.fan, coalesce(h.display_name, ''), t.coins, t.gifts
FROM gifting_room_tally t LEFT JOIN people_holder h ON h.id = t.fan WHERE t.room = %(room)s
"""

ROOM_LINES = f"""
SELECT fan, first_seq, gift, count, coins, opened_at, last_at
FROM gifting_gift_line WHERE room = %(room)s ORDER BY opened_at DESC LIMIT {2 * LINES_KEPT}
"""  # noqa: S608 - constants only

ROOM_GIFTS_AFTER_MARKS = """
SELECT g.fan, coalesce(h.display_name, ''), g.seq, g.streak_seq, g.gift, g.count, g.coins, g.bonus,
       g.at, g.room
FROM gifting_tally_mark m
CROSS JOIN LATERAL (
    SELECT * FROM ledger_gift WHERE bucket = m.bucket AND seq > m.seq AND room = %(room)s
) g LEFT JOIN people_holder h ON h.id = g.fan
ORDER BY g.at, g.fan, g.seq
"""

ROOM_COMMENTS = f"""
SELECT c.id, c.holder, coalesce(h.display_name, ''), c.gift_seq, c.text, c.at
FROM gifting_comment c LEFT JOIN people_holder h ON h.id = c.holder
WHERE c.room = %(room)s ORDER BY c.at DESC, c.id DESC LIMIT {2 * LINES_KEPT}
"""  # noqa: S608 - constants only

BUCKET_ENDS = "SELECT bucket, last_seq FROM ledger_bucket WHERE bucket < 64"

GIFTS_BETWEEN = """
SELECT g.fan, coalesce(h.display_name, ''), g.seq, g.streak_seq, g.gift, g.count, g.coins, g.bonus,
       g.at, g.room
FROM unnest(%(bucket)s::smallint[], %(after)s::bigint[], %(upto)s::bigint[]) d (bucket, after, upto)
CROSS JOIN LATERAL (
    SELECT * FROM ledger_gift WHERE bucket = d.bucket AND seq > d.after AND seq <= d.upto
    AND room = ANY (%(rooms)s)
) g LEFT JOIN people_holder h ON h.id = g.fan
ORDER BY g.at, g.fan, g.seq
"""
"""Gifts of the given rooms in ranges (after, upto] of buckets, oldest first."""

GIFT_BY_KEY = """
SELECT g.room, g.seq, g.gift, g.count, g.coins, g.bonus, g.at,
       (SELECT p.version FROM earnings_sharepolicy p WHERE p.number = g.policy),
       coalesce(nullif(g.streak_seq, 0), g.seq),
       (SELECT coalesce(sum(s.count), 0)::bigint FROM ledger_gift s
        WHERE s.bucket = g.bucket AND s.fan = g.fan AND s.seq <= g.seq
          AND s.seq >= coalesce(nullif(g.streak_seq, 0), g.seq)
          AND coalesce(nullif(s.streak_seq, 0), s.seq) = coalesce(nullif(g.streak_seq, 0), g.seq))
FROM ledger_gift g WHERE g.bucket = %(bucket)s AND g.id = %(id)s
"""
"""A gift that was posted before, with the pieces of its streak up to it."""

ADD_COMMENT = """
INSERT INTO gifting_comment (id, room, holder, gift_seq, text, at)
VALUES (%(id)s, %(room)s, %(holder)s, %(gift_seq)s, %(text)s, %(at)s)
ON CONFLICT (id) DO NOTHING
RETURNING id
"""

COMMENT_BY_KEY = "SELECT room, holder, text, at FROM gifting_comment WHERE id = %(id)s"
