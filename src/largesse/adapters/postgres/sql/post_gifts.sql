-- Posts a batch of gifts with exact sequential semantics, in one round trip.
--
-- The arrays hold one gift a position, in arrival order. Returns a row a gift:
--   outcome 'posted'        with its sequence, its bonus coins and the balance after it;
--           'replayed'      with the sequence it already had;
--           'key_reused'    the id stands for another gift of this fan;
--           'insufficient'  with the balance that there was; 'blocked' debt or a freeze.
-- Fans who can pay for all their gifts of the batch are taken together; the others, those with void
-- serials and those who send an id again, one by one. Serialises on the lanes of the fans' buckets.
CREATE FUNCTION ledger_post_gifts(
    g_bucket smallint[], g_id uuid[], g_fan bigint[], g_creator bigint[], g_room bigint[],
    g_gift integer[], g_count integer[], g_coins bigint[], g_policy integer[],
    g_streak bigint[], g_at timestamptz[]
) RETURNS TABLE (ord integer, outcome text, seq bigint, bonus bigint, balance bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    r    record;
    one  record;
BEGIN
    PERFORM 1 FROM ledger_bucket b WHERE b.bucket = ANY (g_bucket) ORDER BY b.bucket FOR UPDATE;

    FOR r IN
        WITH input AS MATERIALIZED (
            SELECT * FROM unnest(g_bucket, g_id, g_fan, g_creator, g_room, g_gift, g_count,
                                 g_coins, g_policy, g_streak, g_at)
                WITH ORDINALITY
                i (bucket, id, fan, creator, room, gift, count, coins, policy, streak, at, ord)
        ), known AS MATERIALIZED (
            -- Fans of whom an id was posted before, or comes twice here: they go one by one.
            SELECT i.fan FROM input i JOIN ledger_gift o ON o.bucket = i.bucket AND o.id = i.id
            UNION
            SELECT unnest(array_agg(i.fan)) FROM input i GROUP BY i.id HAVING count(*) > 1
        ), fresh AS MATERIALIZED (
            SELECT i.*,
                   sum(i.coins) OVER fan_order AS upto,
                   sum(i.coins) OVER (PARTITION BY i.fan) AS wanted
            FROM input i
            WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.fan = i.fan)
            WINDOW fan_order AS (PARTITION BY i.fan ORDER BY i.ord)
        ), able AS MATERIALIZED (
            SELECT f.*, w.paid_next, w.bonus_next, w.head_seq,
                   w.bonus_issued - w.bonus_next AS bonus_had,
                   w.paid_issued - w.paid_next + w.bonus_issued - w.bonus_next AS had,
                   b.last_seq + row_number() OVER (PARTITION BY f.bucket ORDER BY f.ord) AS seq
            FROM fresh f
            -- OFFSET 0 keeps this a look-up by key for each row, whatever the statistics say: a
            -- join that the planner took for one row cost 30 times.
            CROSS JOIN LATERAL (SELECT * FROM ledger_wallet k
                                WHERE k.bucket = f.bucket AND k.holder = f.fan OFFSET 0) w
            CROSS JOIN LATERAL (SELECT last_seq FROM ledger_bucket k
                                WHERE k.bucket = f.bucket OFFSET 0) b
            WHERE w.debt = 0 AND NOT w.frozen AND w.paid_void = 0 AND w.bonus_void = 0
              AND f.wanted <= w.paid_issued - w.paid_next + w.bonus_issued - w.bonus_next
        ), spent AS MATERIALIZED (
            SELECT a.*, least(a.bonus_had, a.upto) AS bonus_upto,
                   least(a.bonus_had, a.upto - a.coins) AS bonus_before
            FROM able a
        ), posted AS (
            INSERT INTO ledger_gift (seq, fan, creator, room, coins, bonus, paid_from, paid_to,
                bonus_from, bonus_to, prev_seq, streak_seq, at, gift, count, policy, bucket, id)
            SELECT s.seq, s.fan, s.creator, s.room, s.coins, s.bonus_upto - s.bonus_before,
                   s.paid_next + (s.upto - s.coins - s.bonus_before),
                   s.paid_next + (s.upto - s.bonus_upto),
                   s.bonus_next + s.bonus_before, s.bonus_next + s.bonus_upto,
                   lag(s.seq, 1, s.head_seq) OVER (PARTITION BY s.fan ORDER BY s.ord),
                   s.streak, s.at, s.gift, s.count, s.policy, s.bucket, s.id
            FROM spent s ORDER BY s.bucket, s.seq
        ), paid AS (
            UPDATE ledger_wallet w
            SET paid_next = w.paid_next + n.paid, bonus_next = w.bonus_next + n.bonus,
                head_seq = n.seq
            FROM (SELECT bucket, fan, max(seq) AS seq, max(bonus_upto)::bigint AS bonus,
                         (max(upto) - max(bonus_upto))::bigint AS paid
                  FROM spent GROUP BY bucket, fan) n
            WHERE w.bucket = n.bucket AND w.holder = n.fan AND w.holder = ANY (g_fan)
        ), lanes AS (
            UPDATE ledger_bucket b
            SET last_seq = n.seq, gift_clearing = b.gift_clearing + n.coins
            FROM (SELECT bucket, max(seq) AS seq, sum(coins)::bigint AS coins
                  FROM spent GROUP BY bucket) n
            WHERE b.bucket = n.bucket
        )
        SELECT i.ord, s.seq, (s.bonus_upto - s.bonus_before)::bigint AS bonus,
               (s.had - s.upto)::bigint AS balance
        FROM input i LEFT JOIN spent s ON s.ord = i.ord
        ORDER BY i.ord
    LOOP
        ord := r.ord;
        IF r.seq IS NOT NULL THEN
            outcome := 'posted'; seq := r.seq; bonus := r.bonus; balance := r.balance;
        ELSE
            SELECT * INTO one FROM ledger_post_gift(
                g_bucket[ord], g_id[ord], g_fan[ord], g_creator[ord], g_room[ord], g_gift[ord],
                g_count[ord], g_coins[ord], g_policy[ord], g_streak[ord], g_at[ord]);
            outcome := one.outcome; seq := one.seq; bonus := one.bonus; balance := one.balance;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- Decides and posts one gift: the exact form, which also knows replays and void serials. The caller
-- holds the lane of the bucket.
CREATE FUNCTION ledger_post_gift(
    g_bucket smallint, g_id uuid, g_fan bigint, g_creator bigint, g_room bigint,
    g_gift integer, g_count integer, g_coins bigint, g_policy integer,
    g_streak bigint, g_at timestamptz,
    OUT outcome text, OUT seq bigint, OUT bonus bigint, OUT balance bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    old    ledger_gift;
    w      ledger_wallet;
    paid_after  record;
    bonus_after record;
BEGIN
    SELECT * INTO w FROM ledger_wallet WHERE bucket = g_bucket AND holder = g_fan;
    balance := coalesce(w.paid_issued - w.paid_next - w.paid_void
                        + w.bonus_issued - w.bonus_next - w.bonus_void, 0);
    SELECT * INTO old FROM ledger_gift WHERE bucket = g_bucket AND id = g_id;
    IF old.seq IS NOT NULL THEN
        seq := old.seq; bonus := old.bonus;
        outcome := CASE WHEN (old.fan, old.creator, old.room, old.gift, old.count, old.coins)
                           = (g_fan, g_creator, g_room, g_gift, g_count, g_coins)
                        THEN 'replayed' ELSE 'key_reused' END;
        RETURN;
    END IF;
    IF w.debt > 0 OR w.frozen THEN
        outcome := 'blocked'; RETURN;
    END IF;
    IF g_coins > balance THEN
        outcome := 'insufficient'; RETURN;
    END IF;

    bonus := least(w.bonus_issued - w.bonus_next - w.bonus_void, g_coins);
    SELECT * INTO paid_after FROM ledger_take_serials(
        g_bucket, g_fan, 'paid', w.paid_next, w.paid_issued, w.paid_void, g_coins - bonus);
    SELECT * INTO bonus_after FROM ledger_take_serials(
        g_bucket, g_fan, 'bonus', w.bonus_next, w.bonus_issued, w.bonus_void, bonus);

    UPDATE ledger_bucket SET last_seq = last_seq + 1, gift_clearing = gift_clearing + g_coins
    WHERE bucket = g_bucket RETURNING last_seq INTO seq;
    INSERT INTO ledger_gift (seq, fan, creator, room, coins, bonus, paid_from, paid_to,
        bonus_from, bonus_to, prev_seq, streak_seq, at, gift, count, policy, bucket, id)
    VALUES (seq, g_fan, g_creator, g_room, g_coins, bonus, w.paid_next, paid_after.next,
        w.bonus_next, bonus_after.next, w.head_seq, g_streak, g_at, g_gift, g_count, g_policy,
        g_bucket, g_id);
    UPDATE ledger_wallet
    SET paid_next = paid_after.next, paid_void = paid_after.void_left,
        bonus_next = bonus_after.next, bonus_void = bonus_after.void_left, head_seq = seq
    WHERE bucket = g_bucket AND holder = g_fan;
    outcome := 'posted';
    balance := balance - g_coins;
END $$;

-- Where the spending counter stands after `wanted` live serials, skipping void ranges, and how many
-- void serials still lie ahead of it.
CREATE FUNCTION ledger_take_serials(
    t_bucket smallint, t_holder bigint, t_class text,
    t_next bigint, t_issued bigint, t_void bigint, wanted bigint,
    OUT next bigint, OUT void_left bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v         record;
    left_over bigint := wanted;
BEGIN
    next := t_next;
    void_left := t_void;
    IF wanted = 0 THEN
        RETURN;
    END IF;
    IF t_void > 0 THEN
        FOR v IN
            SELECT start, stop FROM ledger_void
            WHERE bucket = t_bucket AND holder = t_holder AND class = t_class AND start >= t_next
            ORDER BY start
        LOOP
            EXIT WHEN v.start - next >= left_over;
            left_over := left_over - (v.start - next);
            next := v.stop;
            void_left := void_left - (v.stop - v.start);
        END LOOP;
    END IF;
    next := next + left_over;
END $$;
