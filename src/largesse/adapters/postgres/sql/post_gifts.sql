-- Posts a batch of gifts with exact sequential semantics, in one round trip.
--
-- The arrays hold one gift a position, in arrival order. The answer is arrays as well: `ords` are
-- the positions, each once; the last of them, as many as `outcomes`, were decided one by one:
--   'posted'        with its sequence, its bonus coins and the fan's spendable balance after it;
--   'replayed'      with the sequence it already had;
--   'key_reused'    the id stands for another gift of this fan;
--   'insufficient'  with the balance that there was; 'blocked' debt or a freeze;
-- all before them are posted. Fans who can pay for all their gifts of the batch are taken together;
-- the others, those with void serials and those who send an id again, one by one. Of gifts that are
-- posted together, those of one fan keep their order. Serialises on the lanes of the fans' buckets.
CREATE FUNCTION ledger_post_gifts(
    g_bucket smallint[], g_id uuid[], g_fan bigint[], g_creator bigint[], g_room bigint[],
    g_gift integer[], g_count integer[], g_coins bigint[], g_policy integer[],
    g_streak bigint[], g_at timestamptz[],
    OUT ords integer[], OUT seqs bigint[], OUT bonuses bigint[], OUT balances bigint[],
    OUT outcomes text[]
) LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    one   record;
    p     integer;
    known bigint[] := '{}';
    tried boolean := false;
BEGIN
    PERFORM 1 FROM ledger_bucket b WHERE b.bucket = ANY (g_bucket) ORDER BY b.bucket FOR UPDATE;
    ords := '{}'; seqs := '{}'; bonuses := '{}'; balances := '{}'; outcomes := '{}';

    -- The plan of the statement below costs more than a few gifts.
    WHILE cardinality(g_id) > 4 LOOP
        BEGIN
            SELECT * INTO ords, seqs, bonuses, balances FROM ledger_post_able(
                g_bucket, g_id, g_fan, g_creator, g_room, g_gift, g_count, g_coins, g_policy,
                g_streak, g_at, known);
            EXIT;
        EXCEPTION WHEN unique_violation THEN
            -- Once, without the fans of whom an id was posted before, or comes twice here.
            IF tried THEN
                RAISE;
            END IF;
            tried := true;
            known := ARRAY(
                SELECT i.fan FROM unnest(g_bucket, g_id, g_fan) i (bucket, id, fan)
                JOIN ledger_gift o ON o.bucket = i.bucket AND o.id = i.id
                UNION
                SELECT unnest(array_agg(i.fan)) FROM unnest(g_bucket, g_id, g_fan)
                    i (bucket, id, fan) GROUP BY i.bucket, i.id HAVING count(*) > 1);
        END;
    END LOOP;

    IF cardinality(ords) = cardinality(g_id) THEN
        RETURN;
    END IF;
    FOR p IN
        SELECT i FROM generate_subscripts(g_id, 1) i EXCEPT SELECT unnest(ords) ORDER BY 1
    LOOP
        one := ledger_post_gift(
            g_bucket[p], g_id[p], g_fan[p], g_creator[p], g_room[p], g_gift[p], g_count[p],
            g_coins[p], g_policy[p], g_streak[p], g_at[p]);
        ords := ords || p; seqs := seqs || coalesce(one.seq, 0);
        bonuses := bonuses || coalesce(one.bonus, 0);
        balances := balances || one.balance; outcomes := outcomes || one.outcome;
    END LOOP;
END $$;

-- Posts the gifts of those fans who can pay for all of theirs, but for those in `known`, and says
-- which they were. Raises 23505 when one of the ids stands in the book. The caller holds the lanes.
--
-- OFFSET 0 keeps a look-up by key a look-up for each row, whatever the statistics say: a join that
-- the planner took for one row cost 30 times. Nobody else writes wallets of these buckets, so the
-- place of a row that was just read is where it still stands.
CREATE FUNCTION ledger_post_able(
    g_bucket smallint[], g_id uuid[], g_fan bigint[], g_creator bigint[], g_room bigint[],
    g_gift integer[], g_count integer[], g_coins bigint[], g_policy integer[],
    g_streak bigint[], g_at timestamptz[], known bigint[],
    OUT ords integer[], OUT seqs bigint[], OUT bonuses bigint[], OUT balances bigint[]
) LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    WITH input AS MATERIALIZED (
        SELECT i.*,
               sum(i.coins) OVER (PARTITION BY i.bucket, i.fan ORDER BY i.ord) AS so_far,
               sum(i.coins) OVER (PARTITION BY i.bucket, i.fan) AS in_all
        FROM unnest(g_bucket, g_id, g_fan, g_creator, g_room, g_gift, g_count, g_coins, g_policy,
                    g_streak, g_at) WITH ORDINALITY
            i (bucket, id, fan, creator, room, gift, count, coins, policy, streak, at, ord)
        WHERE i.fan <> ALL (known)
    ), able AS (
        -- What a fan has fits in bigint; what one asks for in all may not.
        SELECT i.*, w.*, i.in_all::bigint AS wanted, i.so_far::bigint AS upto,
               i.so_far::bigint - i.coins AS before,
               b.last_seq + row_number() OVER (PARTITION BY i.bucket ORDER BY i.fan, i.ord) AS seq
        FROM input i
        CROSS JOIN LATERAL (
            SELECT k.ctid AS place, k.paid_next, k.bonus_next, k.head_seq, k.paid_first,
                   k.paid_issued - k.paid_next - k.paid_held AS paid_had,
                   k.bonus_issued - k.bonus_next - k.bonus_held AS bonus_had
            FROM ledger_wallet k
            WHERE k.bucket = i.bucket AND k.holder = i.fan AND k.debt = 0 AND NOT k.frozen
              AND k.paid_void = 0 AND k.bonus_void = 0 OFFSET 0) w
        CROSS JOIN LATERAL (
            SELECT k.last_seq FROM ledger_bucket k WHERE k.bucket = i.bucket OFFSET 0) b
        WHERE i.in_all <= w.paid_had + w.bonus_had
    ), spent AS MATERIALIZED (
        -- How much of the fan's coins in this batch, up to this gift and before it, is bonus.
        SELECT a.*,
               CASE WHEN a.paid_first THEN a.upto - least(a.paid_had, a.upto)
                    ELSE least(a.bonus_had, a.upto) END AS bonus_upto,
               CASE WHEN a.paid_first THEN a.before - least(a.paid_had, a.before)
                    ELSE least(a.bonus_had, a.before) END AS bonus_before
        FROM able a
    ), posted AS (
        -- A fan's gifts stand one after the other here, so each follows the one before.
        INSERT INTO ledger_gift (seq, fan, creator, room, coins, bonus, paid_from, paid_to,
            bonus_from, bonus_to, prev_seq, streak_seq, at, gift, count, policy, bucket, id)
        SELECT s.seq, s.fan, s.creator, s.room, s.coins, s.bonus_upto - s.bonus_before,
               s.paid_next + (s.before - s.bonus_before), s.paid_next + (s.upto - s.bonus_upto),
               s.bonus_next + s.bonus_before, s.bonus_next + s.bonus_upto,
               CASE WHEN s.before = 0 THEN s.head_seq ELSE s.seq - 1 END,
               s.streak, s.at, s.gift, s.count, s.policy, s.bucket, s.id
        FROM spent s
    ), paid AS (
        UPDATE ledger_wallet w
        SET paid_next = s.paid_next + (s.upto - s.bonus_upto),
            bonus_next = s.bonus_next + s.bonus_upto, head_seq = s.seq
        FROM spent s
        WHERE s.upto = s.wanted AND w.ctid = s.place
          AND w.bucket = s.bucket AND w.holder = s.fan
    ), lanes AS (
        UPDATE ledger_bucket b
        SET last_seq = n.seq, gift_clearing = b.gift_clearing + n.coins
        FROM (SELECT bucket, max(seq) AS seq, sum(coins)::bigint AS coins
              FROM spent GROUP BY bucket) n
        WHERE b.bucket = n.bucket
    )
    SELECT coalesce(array_agg(s.ord::integer), '{}'), coalesce(array_agg(s.seq), '{}'),
           coalesce(array_agg(s.bonus_upto - s.bonus_before), '{}'),
           coalesce(array_agg(s.paid_had + s.bonus_had - s.upto), '{}')
    INTO ords, seqs, bonuses, balances
    FROM spent s;
END $$;

-- Decides and posts one gift: the exact form, which also knows replays and void serials. Takes the
-- lane of the bucket where the caller does not hold it.
CREATE FUNCTION ledger_post_gift(
    g_bucket smallint, g_id uuid, g_fan bigint, g_creator bigint, g_room bigint,
    g_gift integer, g_count integer, g_coins bigint, g_policy integer,
    g_streak bigint, g_at timestamptz,
    OUT outcome text, OUT seq bigint, OUT bonus bigint, OUT balance bigint
) LANGUAGE plpgsql SET plan_cache_mode = auto SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    old       ledger_gift;
    w         ledger_wallet;
    paid_had  bigint;
    bonus_had bigint;
    paid_to   bigint;
    bonus_to  bigint;
BEGIN
    PERFORM 1 FROM ledger_bucket WHERE bucket = g_bucket FOR UPDATE;
    SELECT * INTO w FROM ledger_wallet WHERE bucket = g_bucket AND holder = g_fan;
    paid_had := coalesce(w.paid_issued - w.paid_next - w.paid_void - w.paid_held, 0);
    bonus_had := coalesce(w.bonus_issued - w.bonus_next - w.bonus_void - w.bonus_held, 0);
    balance := paid_had + bonus_had;
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

    bonus := CASE WHEN w.paid_first THEN g_coins - least(paid_had, g_coins)
                  ELSE least(bonus_had, g_coins) END;
    paid_to := w.paid_next + g_coins - bonus;
    IF w.paid_void > 0 THEN
        SELECT next, void_left INTO paid_to, w.paid_void FROM ledger_take_serials(
            g_bucket, g_fan, 'paid', w.paid_next, w.paid_void, g_coins - bonus);
    END IF;
    bonus_to := w.bonus_next + bonus;
    IF w.bonus_void > 0 THEN
        SELECT next, void_left INTO bonus_to, w.bonus_void FROM ledger_take_serials(
            g_bucket, g_fan, 'bonus', w.bonus_next, w.bonus_void, bonus);
    END IF;

    UPDATE ledger_bucket SET last_seq = last_seq + 1, gift_clearing = gift_clearing + g_coins
    WHERE bucket = g_bucket RETURNING last_seq INTO seq;
    INSERT INTO ledger_gift (seq, fan, creator, room, coins, bonus, paid_from, paid_to,
        bonus_from, bonus_to, prev_seq, streak_seq, at, gift, count, policy, bucket, id)
    VALUES (seq, g_fan, g_creator, g_room, g_coins, bonus, w.paid_next, paid_to, w.bonus_next,
        bonus_to, w.head_seq, g_streak, g_at, g_gift, g_count, g_policy, g_bucket, g_id);
    UPDATE ledger_wallet
    SET paid_next = paid_to, paid_void = w.paid_void, bonus_next = bonus_to,
        bonus_void = w.bonus_void, head_seq = seq
    WHERE bucket = g_bucket AND holder = g_fan;
    outcome := 'posted';
    balance := balance - g_coins;
END $$;

-- Where the spending counter stands after `wanted` live serials, skipping void ranges, and how many
-- void serials still lie ahead of it.
CREATE FUNCTION ledger_take_serials(
    t_bucket smallint, t_holder bigint, t_class text,
    t_next bigint, t_void bigint, wanted bigint,
    OUT next bigint, OUT void_left bigint
) LANGUAGE plpgsql SET plan_cache_mode = auto SET enable_seqscan = off AS $$
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
