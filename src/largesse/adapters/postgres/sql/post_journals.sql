-- Posts journals in order, each exactly once by its id, in one round trip.
--
-- Takes arrays of journals (j_*), their transfers (t_*), lots (l_*), void serials (v_*) and balance
-- constraints (k_*); t_of, l_of, v_of and k_of are 1-based positions in the journals' arrays.
-- Returns a row a journal, in order: its sequence, and whether it stood there before. A batch is
-- posted exactly when its journals could be posted one after the other. Raises, and nothing is
-- posted then:
--   23514  an account would fall below its floor or below what holds reserve, or a serial to void
--          is not unspent;
--   22003  a balance or a serial would leave the range of bigint;
--   LG001  an id stands for a journal of other content, or for one that is pending, voided or
--          expired (the message is the id);
--   LG002  a frozen holder's account would be debited (the message is the account);
--   LG003  a balance constraint does not hold (the message is JSON: journal, account, asset, bound,
--          limit, balance).
-- What a batch does not have costs it nothing: constraints, lots, voids, floors that are debited
-- and payouts are looked at when there are any.
CREATE FUNCTION ledger_post_journals(
    j_bucket smallint[], j_id uuid[], j_event text[], j_holder bigint[], j_at timestamptz[],
    j_reference text[], j_fingerprint bytea[], j_detail jsonb[],
    t_of integer[], t_debit text[], t_debit_holder bigint[], t_debit_floor boolean[],
    t_credit text[], t_credit_holder bigint[], t_credit_floor boolean[],
    t_asset text[], t_amount bigint[],
    l_of integer[], l_class text[], l_coins bigint[], l_price bigint[], l_tax bigint[],
    l_currency text[], l_channel text[], l_reference text[], l_expires timestamptz[],
    v_of integer[], v_class text[], v_start bigint[], v_stop bigint[],
    k_of integer[], k_code text[], k_holder bigint[], k_asset text[],
    k_at_least bigint[], k_at_most bigint[]
) RETURNS TABLE (ord integer, seq bigint, replayed boolean)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    is_new boolean[];
    seqs   bigint[];
    stop   text;
BEGIN
    -- The lanes, in ascending order: from here on nobody else writes in these buckets.
    PERFORM 1 FROM ledger_bucket b
    WHERE b.bucket = ANY (ARRAY(SELECT DISTINCT unnest(j_bucket))) ORDER BY b.bucket FOR UPDATE;

    -- What was posted before keeps its sequence; of several with one id the first is new. OFFSET 0
    -- keeps a look-up by key a look-up by key: a merge join read the whole index of the history.
    WITH known AS MATERIALIZED (
        SELECT i.bucket, i.id, i.fingerprint, i.ord, o.seq, p.state,
               min(i.ord) OVER same AS first,
               coalesce(o.fingerprint, first_value(i.fingerprint) OVER same) AS stands
        FROM unnest(j_bucket, j_id, j_fingerprint) WITH ORDINALITY i (bucket, id, fingerprint, ord)
        LEFT JOIN LATERAL (SELECT seq, fingerprint FROM ledger_journal k
                           WHERE k.bucket = i.bucket AND k.id = i.id OFFSET 0) o ON true
        LEFT JOIN LATERAL (SELECT state FROM ledger_pending k
                           WHERE k.bucket = i.bucket AND k.id = i.id OFFSET 0) p ON true
        WINDOW same AS (PARTITION BY i.bucket, i.id ORDER BY i.ord)
    ), numbered AS (
        SELECT k.*, k.seq IS NULL AND k.ord = k.first AS is_new,
               b.last_seq + count(*) FILTER (WHERE k.seq IS NULL AND k.ord = k.first)
                   OVER (PARTITION BY k.bucket ORDER BY k.ord) AS next
        FROM known k
        CROSS JOIN LATERAL (SELECT last_seq FROM ledger_bucket c
                            WHERE c.bucket = k.bucket OFFSET 0) b
    )
    SELECT array_agg(n.is_new ORDER BY n.ord),
           array_agg(coalesce(n.seq, CASE WHEN n.is_new THEN n.next END, f.next) ORDER BY n.ord),
           (array_agg(n.id) FILTER (WHERE n.stands <> n.fingerprint
                                       OR n.is_new AND n.state <> 'posted'))[1]
    INTO is_new, seqs, stop
    FROM numbered n
    LEFT JOIN numbered f ON n.first <> n.ord AND f.ord = n.first;
    IF stop IS NOT NULL THEN
        RAISE EXCEPTION '%', stop USING ERRCODE = 'LG001';
    END IF;

    IF 'payout_requested' = ANY (j_event) THEN
        SELECT 'creator_available:' || f.holder INTO stop
        FROM unnest(j_bucket, j_holder, j_event) WITH ORDINALITY i (bucket, holder, event, ord)
        JOIN ledger_freeze f ON f.bucket = i.bucket AND f.holder = i.holder
        WHERE i.event = 'payout_requested' AND is_new[i.ord] LIMIT 1;
        IF stop IS NOT NULL THEN
            RAISE EXCEPTION '%', stop USING ERRCODE = 'LG002';
        END IF;
    END IF;

    INSERT INTO ledger_journal (seq, holder, at, bucket, id, event, reference, fingerprint, detail)
    SELECT seqs[i.ord], i.holder, i.at, i.bucket, i.id, i.event, i.reference, i.fingerprint,
           i.detail
    FROM unnest(j_bucket, j_id, j_event, j_holder, j_at, j_reference, j_fingerprint, j_detail)
        WITH ORDINALITY i (bucket, id, event, holder, at, reference, fingerprint, detail, ord)
    WHERE is_new[i.ord];

    INSERT INTO ledger_transfer
        (seq, debit_holder, credit_holder, amount, bucket, line, debit, credit, asset)
    SELECT seqs[t.j], t.debit_holder, t.credit_holder, t.amount, j_bucket[t.j],
           row_number() OVER (PARTITION BY t.j ORDER BY t.ord), t.debit, t.credit, t.asset
    FROM unnest(t_of, t_debit, t_debit_holder, t_credit, t_credit_holder, t_asset, t_amount)
        WITH ORDINALITY t (j, debit, debit_holder, credit, credit_holder, asset, amount, ord)
    WHERE is_new[t.j];

    -- Coins of wallets move by their lots and voids below; only other accounts are handed on.
    PERFORM ledger_move_balances(
        array_agg(m.bucket), array_agg(m.holder), array_agg(m.code), array_agg(m.asset),
        array_agg(m.below_zero), array_agg(m.change))
    FROM (SELECT j_bucket[c.j] AS bucket, c.holder, c.code, c.asset, c.below_zero,
                 sum(c.change)::bigint AS change
          FROM ledger_changes(t_of, t_debit, t_debit_holder, t_debit_floor, t_credit,
                              t_credit_holder, t_credit_floor, t_asset, t_amount) c
          WHERE is_new[c.j] AND c.code NOT IN ('fan_paid', 'fan_bonus')
          GROUP BY 1, 2, 3, 4, 5) m;

    IF cardinality(l_of) > 0 THEN
        PERFORM ledger_issue_lots(is_new, seqs, j_bucket, j_holder, l_of, l_class, l_coins,
            l_price, l_tax, l_currency, l_channel, l_reference, l_expires);
    END IF;
    IF cardinality(v_of) > 0 THEN
        PERFORM ledger_void_serials(is_new, seqs, j_bucket, j_holder, v_of, v_class, v_start,
            v_stop, l_of, l_class, l_coins);
    END IF;
    IF cardinality(j_id) > 1 AND (false = ANY (t_debit_floor) OR 'fan_debt' = ANY (t_credit)) THEN
        PERFORM ledger_check_floors(is_new, j_bucket, t_of, t_debit, t_debit_holder, t_debit_floor,
            t_credit, t_credit_holder, t_credit_floor, t_asset, t_amount);
    END IF;
    IF cardinality(k_of) > 0 THEN
        PERFORM ledger_check_constraints(is_new, j_bucket, j_id,
            t_of, t_debit, t_debit_holder, t_debit_floor,
            t_credit, t_credit_holder, t_credit_floor, t_asset, t_amount,
            k_of, k_code, k_holder, k_asset, k_at_least, k_at_most);
    END IF;

    UPDATE ledger_bucket b SET last_seq = n.seq
    FROM (SELECT i.bucket, max(seqs[i.ord]) AS seq
          FROM unnest(j_bucket) WITH ORDINALITY i (bucket, ord)
          WHERE is_new[i.ord] GROUP BY i.bucket) n
    WHERE b.bucket = n.bucket;

    RETURN QUERY
    SELECT i.ord::integer, i.seq, NOT i.is_new
    FROM unnest(seqs, is_new) WITH ORDINALITY i (seq, is_new, ord) ORDER BY i.ord;
END $$;
