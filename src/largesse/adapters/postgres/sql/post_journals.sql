-- Posts journals in order, each exactly once by its id, in one round trip.
--
-- Takes arrays of journals (j_*), their transfers (t_*), lots (l_*) and void serials (v_*); t_of,
-- l_of and v_of are 1-based positions in the journals' arrays. Returns a row a journal, in order:
-- its sequence, and whether it stood there before. Raises, and nothing is posted then:
--   23514  an account would fall below its floor, or a serial to void is not unspent;
--   22003  a balance or a serial would leave the range of bigint;
--   LG001  an id stands for a journal of other content (the message is the id).
CREATE FUNCTION ledger_post_journals(
    j_bucket smallint[], j_id uuid[], j_event text[], j_holder bigint[], j_at timestamptz[],
    j_reference text[], j_fingerprint bytea[], j_detail jsonb[],
    t_of integer[], t_debit text[], t_debit_holder bigint[], t_debit_floor boolean[],
    t_credit text[], t_credit_holder bigint[], t_credit_floor boolean[],
    t_asset text[], t_amount bigint[],
    l_of integer[], l_class text[], l_coins bigint[], l_price bigint[], l_tax bigint[],
    l_currency text[], l_channel text[], l_reference text[], l_expires timestamptz[],
    v_of integer[], v_class text[], v_start bigint[], v_stop bigint[]
) RETURNS TABLE (ord integer, seq bigint, replayed boolean)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    is_new boolean[];
    seqs   bigint[];
    reused uuid;
BEGIN
    -- The lanes, in ascending order: from here on nobody else writes in these buckets.
    PERFORM 1 FROM ledger_bucket b WHERE b.bucket = ANY (j_bucket) ORDER BY b.bucket FOR UPDATE;

    -- What was posted before keeps its sequence; of several with one id the first is new.
    WITH input AS MATERIALIZED (
        SELECT i.bucket, i.id, i.ord FROM unnest(j_bucket, j_id) WITH ORDINALITY i (bucket, id, ord)
    ), first AS (
        SELECT bucket, id, min(ord) AS ord FROM input GROUP BY bucket, id
    ), fresh AS (
        SELECT f.bucket, f.id, f.ord,
               b.last_seq + row_number() OVER (PARTITION BY f.bucket ORDER BY f.ord) AS seq
        FROM first f JOIN ledger_bucket b ON b.bucket = f.bucket
        WHERE NOT EXISTS (SELECT 1 FROM ledger_journal o WHERE o.bucket = f.bucket AND o.id = f.id)
    )
    SELECT array_agg(f.ord IS NOT NULL ORDER BY i.ord),
           array_agg(coalesce(g.seq, o.seq) ORDER BY i.ord)
    INTO is_new, seqs
    FROM input i
    LEFT JOIN fresh f ON f.ord = i.ord
    LEFT JOIN fresh g ON g.bucket = i.bucket AND g.id = i.id
    LEFT JOIN ledger_journal o ON o.bucket = i.bucket AND o.id = i.id;

    INSERT INTO ledger_journal (seq, holder, at, bucket, id, event, reference, fingerprint, detail)
    SELECT seqs[i.ord], i.holder, i.at, i.bucket, i.id, i.event, i.reference, i.fingerprint,
           i.detail
    FROM unnest(j_bucket, j_id, j_event, j_holder, j_at, j_reference, j_fingerprint, j_detail)
        WITH ORDINALITY i (bucket, id, event, holder, at, reference, fingerprint, detail, ord)
    WHERE is_new[i.ord];

    IF false = ANY (is_new) THEN
        SELECT i.id INTO reused
        FROM unnest(j_bucket, j_id, j_fingerprint) i (bucket, id, fingerprint)
        JOIN ledger_journal o ON o.bucket = i.bucket AND o.id = i.id
        WHERE o.fingerprint <> i.fingerprint LIMIT 1;
        IF reused IS NOT NULL THEN
            RAISE EXCEPTION '%', reused USING ERRCODE = 'LG001';
        END IF;
    END IF;

    INSERT INTO ledger_transfer
        (seq, debit_holder, credit_holder, amount, bucket, line, debit, credit, asset)
    SELECT seqs[t.j], t.debit_holder, t.credit_holder, t.amount, j_bucket[t.j],
           row_number() OVER (PARTITION BY t.j ORDER BY t.ord), t.debit, t.credit, t.asset
    FROM unnest(t_of, t_debit, t_debit_holder, t_credit, t_credit_holder, t_asset, t_amount)
        WITH ORDINALITY t (j, debit, debit_holder, credit, credit_holder, asset, amount, ord)
    WHERE is_new[t.j];

    PERFORM ledger_move_balances(
        array_agg(j_bucket[t.j]), array_agg(t.holder), array_agg(t.code), array_agg(t.asset),
        array_agg(t.below_zero), array_agg(t.change))
    FROM (
        SELECT * FROM unnest(t_of, t_debit_holder, t_debit, t_asset, t_debit_floor,
            (SELECT array_agg(-a ORDER BY o) FROM unnest(t_amount) WITH ORDINALITY x (a, o)))
        UNION ALL
        SELECT * FROM unnest(t_of, t_credit_holder, t_credit, t_asset, t_credit_floor, t_amount)
    ) t (j, holder, code, asset, below_zero, change)
    WHERE is_new[t.j];

    IF cardinality(l_of) > 0 THEN
        PERFORM ledger_issue_lots(is_new, seqs, j_bucket, j_holder, l_of, l_class, l_coins,
            l_price, l_tax, l_currency, l_channel, l_reference, l_expires);
    END IF;
    IF cardinality(v_of) > 0 THEN
        PERFORM ledger_void_serials(
            is_new, seqs, j_bucket, j_holder, v_of, v_class, v_start, v_stop);
    END IF;

    UPDATE ledger_bucket b SET last_seq = n.seq
    FROM (SELECT i.bucket, max(seqs[i.ord]) AS seq
          FROM unnest(j_bucket) WITH ORDINALITY i (bucket, ord)
          WHERE is_new[i.ord] GROUP BY i.bucket) n
    WHERE b.bucket = n.bucket AND b.bucket = ANY (j_bucket);

    RETURN QUERY
    SELECT i.ord::integer, seqs[i.ord], NOT is_new[i.ord]
    FROM generate_subscripts(j_id, 1) i (ord) ORDER BY i.ord;
END $$;
