-- Two-phase journals: hold, and then post, void or expire. A hold is decided one after the other in
-- the order given, under the lanes of its buckets, so that two can never reserve the same coins.
-- Statements inside the loops are look-ups by key, so one plan serves them all.

-- Makes journals pending. Takes arrays of journals (h_*) and of what they reserve (r_*, one row an
-- account of a journal; r_of is the 1-based position of its journal). Returns a row a journal:
--   its state           pending, or with `replayed` what the hold of this id has become;
--   'key_reused'        the id stands for something else;
--   'frozen', 'in_debt' what would leave the holder's account is blocked;
--   'insufficient'      less is free than it would reserve.
-- A refused hold reserves nothing, and does not touch the others.
CREATE FUNCTION ledger_hold_journals(
    h_bucket smallint[], h_id uuid[], h_event text[], h_holder bigint[], h_at timestamptz[],
    h_expires timestamptz[], h_reason text[], h_fingerprint bytea[], h_content jsonb[],
    r_of integer[], r_holder bigint[], r_code text[], r_asset text[], r_amount bigint[]
) RETURNS TABLE (ord integer, outcome text, replayed boolean)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    h record;
BEGIN
    PERFORM 1 FROM ledger_bucket b
    WHERE b.bucket = ANY (ARRAY(SELECT DISTINCT unnest(h_bucket))) ORDER BY b.bucket FOR UPDATE;

    FOR h IN
        SELECT u.*, n.holders, n.codes, n.assets, n.amounts
        FROM unnest(h_bucket, h_id, h_event, h_holder, h_at, h_expires, h_reason,
                    h_fingerprint, h_content)
            WITH ORDINALITY
            u (bucket, id, event, holder, at, expires, reason, fingerprint, content, ord)
        LEFT JOIN (SELECT r.j, array_agg(r.holder) AS holders, array_agg(r.code) AS codes,
                          array_agg(r.asset) AS assets, array_agg(r.amount) AS amounts
                   FROM unnest(r_of, r_holder, r_code, r_asset, r_amount)
                       r (j, holder, code, asset, amount)
                   GROUP BY r.j) n ON n.j = u.ord
        ORDER BY u.ord
    LOOP
        ord := h.ord;
        outcome := ledger_held_before(h.bucket, h.id, h.reason, h.fingerprint);
        replayed := outcome IS NOT NULL AND outcome <> 'key_reused';
        outcome := coalesce(outcome, ledger_blocked(h.bucket, h.holder, h.event));
        IF outcome IS NULL AND EXISTS (
            SELECT 1 FROM unnest(h.holders, h.codes, h.assets, h.amounts)
                r (holder, code, asset, amount)
            WHERE NOT EXISTS (
                SELECT 1 FROM ledger_account a
                WHERE a.bucket = h.bucket AND a.holder = r.holder AND a.code = r.code
                  AND a.asset = r.asset AND a.balance - a.held >= r.amount
                UNION ALL
                SELECT 1 FROM ledger_wallet w
                WHERE w.bucket = h.bucket AND w.holder = r.holder AND r.amount <= CASE r.code
                    WHEN 'fan_paid'  THEN w.paid_issued - w.paid_next - w.paid_void - w.paid_held
                    WHEN 'fan_bonus'
                    THEN w.bonus_issued - w.bonus_next - w.bonus_void - w.bonus_held END)
        ) THEN
            outcome := 'insufficient';
        END IF;
        IF outcome IS NULL THEN
            INSERT INTO ledger_pending
                (holder, at, expires_at, bucket, id, reason, fingerprint, content)
            VALUES (h.holder, h.at, h.expires, h.bucket, h.id, h.reason, h.fingerprint, h.content);
            INSERT INTO ledger_reserved (holder, amount, bucket, id, code, asset)
            SELECT r.holder, r.amount, h.bucket, h.id, r.code, r.asset
            FROM unnest(h.holders, h.codes, h.assets, h.amounts)
                r (holder, code, asset, amount);
            PERFORM ledger_reserve(h.bucket, h.id, 1);
            outcome := 'pending';
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- What an id stands for already: the state of its hold, 'posted' for its journal, 'key_reused' for
-- anything else; null when it is new.
CREATE FUNCTION ledger_held_before(
    h_bucket smallint, h_id uuid, h_reason text, h_fingerprint bytea
) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(
        (SELECT CASE WHEN (reason, fingerprint) = (h_reason, h_fingerprint)
                     THEN state ELSE 'key_reused' END
         FROM ledger_pending WHERE bucket = h_bucket AND id = h_id),
        (SELECT CASE WHEN fingerprint = h_fingerprint THEN 'posted' ELSE 'key_reused' END
         FROM ledger_journal WHERE bucket = h_bucket AND id = h_id));
END $$;

-- What blocks an event of a holder: a freeze stops gifts and payouts, a debt stops gifts. Nothing
-- stops what corrects the books.
CREATE FUNCTION ledger_blocked(b_bucket smallint, b_holder bigint, b_event text)
RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE b_event
        WHEN 'gift' THEN
            (SELECT CASE WHEN frozen THEN 'frozen' WHEN debt > 0 THEN 'in_debt' END
             FROM ledger_wallet WHERE bucket = b_bucket AND holder = b_holder)
        WHEN 'payout_requested' THEN
            (SELECT 'frozen' FROM ledger_freeze WHERE bucket = b_bucket AND holder = b_holder)
    END;
END $$;

-- Reserves (sign 1) or releases (sign -1) what a hold debits.
CREATE FUNCTION ledger_reserve(r_bucket smallint, r_id uuid, sign integer)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_wallet w
    SET paid_held = w.paid_held + sign * n.paid, bonus_held = w.bonus_held + sign * n.bonus
    FROM (SELECT holder, coalesce(sum(amount) FILTER (WHERE code = 'fan_paid'), 0)::bigint AS paid,
                 coalesce(sum(amount) FILTER (WHERE code = 'fan_bonus'), 0)::bigint AS bonus
          FROM ledger_reserved
          WHERE bucket = r_bucket AND id = r_id AND code IN ('fan_paid', 'fan_bonus')
          GROUP BY holder) n
    WHERE w.bucket = r_bucket AND w.holder = n.holder;

    UPDATE ledger_account a SET held = a.held + sign * r.amount
    FROM ledger_reserved r
    WHERE r.bucket = r_bucket AND r.id = r_id AND a.bucket = r_bucket AND a.holder = r.holder
      AND a.code = r.code AND a.asset = r.asset;
END $$;

-- Ends holds: `h_wish` is posted, voided or expired. Returns a row a hold, in order:
--   the state that it has now; `resolved` when that was done here and now;
--   'expired' also for a hold whose time had come by `h_now`, whether or not a sweep has seen it;
--   'unknown' when nothing was held under the id.
-- What is held is released. A hold that is to be posted is posted next, in the same transaction.
CREATE FUNCTION ledger_resolve_holds(
    h_bucket smallint[], h_id uuid[], h_wish text, h_now timestamptz
) RETURNS TABLE (ord integer, outcome text, resolved boolean, content jsonb)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    h   record;
    old ledger_pending;
BEGIN
    PERFORM 1 FROM ledger_bucket b
    WHERE b.bucket = ANY (ARRAY(SELECT DISTINCT unnest(h_bucket))) ORDER BY b.bucket FOR UPDATE;

    FOR h IN SELECT * FROM unnest(h_bucket, h_id) WITH ORDINALITY u (bucket, id, ord)
    LOOP
        SELECT * INTO old FROM ledger_pending p WHERE p.bucket = h.bucket AND p.id = h.id;
        ord := h.ord;
        content := old.content;
        outcome := coalesce(old.state, 'unknown');
        resolved := false;
        IF outcome = 'pending' AND (h_wish = 'expired') = (old.expires_at <= h_now) THEN
            PERFORM ledger_reserve(h.bucket, h.id, -1);
            UPDATE ledger_pending p SET state = h_wish, resolved_at = h_now
            WHERE p.bucket = h.bucket AND p.id = h.id;
            outcome := h_wish;
            resolved := true;
        ELSIF outcome = 'pending' AND old.expires_at <= h_now THEN
            outcome := 'expired';
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
