-- What ledger_post_journals does to balances, lots and void serials. The caller holds the lanes.

-- Adds changes (credits minus debits) to balances: debt in the wallet, gift_clearing in the row of
-- its bucket, the coins of a wallet by its lots and voids, and all others in ledger_account.
CREATE FUNCTION ledger_move_balances(
    m_bucket smallint[], m_holder bigint[], m_code text[], m_asset text[],
    m_below_zero boolean[], m_change bigint[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO ledger_account (holder, bucket, below_zero, code, asset)
    SELECT DISTINCT holder, bucket, below_zero, code, asset
    FROM unnest(m_bucket, m_holder, m_code, m_asset, m_below_zero)
        m (bucket, holder, code, asset, below_zero)
    WHERE code NOT IN ('fan_paid', 'fan_bonus', 'fan_debt', 'gift_clearing')
    ON CONFLICT DO NOTHING;

    UPDATE ledger_account a SET balance = a.balance + m.change
    FROM (SELECT bucket, holder, code, asset, sum(change)::bigint AS change
          FROM unnest(m_bucket, m_holder, m_code, m_asset, m_change)
              u (bucket, holder, code, asset, change)
          GROUP BY bucket, holder, code, asset) m
    WHERE a.bucket = m.bucket AND a.holder = m.holder AND a.code = m.code AND a.asset = m.asset
      AND a.bucket = ANY (m_bucket) AND a.holder = ANY (m_holder);

    UPDATE ledger_bucket b SET gift_clearing = b.gift_clearing + m.change
    FROM (SELECT bucket, sum(change)::bigint AS change
          FROM unnest(m_bucket, m_code, m_change) u (bucket, code, change)
          WHERE code = 'gift_clearing' GROUP BY bucket) m
    WHERE b.bucket = m.bucket;

    IF 'fan_debt' = ANY (m_code) THEN
        INSERT INTO ledger_wallet (bucket, holder)
        SELECT DISTINCT bucket, holder
        FROM unnest(m_bucket, m_holder, m_code) m (bucket, holder, code)
        WHERE code = 'fan_debt' ON CONFLICT DO NOTHING;

        UPDATE ledger_wallet w SET debt = w.debt - m.change
        FROM (SELECT bucket, holder, sum(change)::bigint AS change
              FROM unnest(m_bucket, m_holder, m_code, m_change) u (bucket, holder, code, change)
              WHERE code = 'fan_debt' GROUP BY bucket, holder) m
        WHERE w.bucket = m.bucket AND w.holder = m.holder;
    END IF;
END $$;

-- Issues the lots of new journals: their serials follow the wallet's last, in the order given.
CREATE FUNCTION ledger_issue_lots(
    is_new boolean[], seqs bigint[], j_bucket smallint[], j_holder bigint[],
    l_of integer[], l_class text[], l_coins bigint[], l_price bigint[], l_tax bigint[],
    l_currency text[], l_channel text[], l_reference text[], l_expires timestamptz[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO ledger_wallet (bucket, holder)
    SELECT DISTINCT j_bucket[l.j], j_holder[l.j] FROM unnest(l_of) l (j) WHERE is_new[l.j]
    ON CONFLICT DO NOTHING;

    WITH issued AS (
    INSERT INTO ledger_lot (holder, start, stop, price_minor, tax_minor, seq, expires_at,
                            bucket, class, currency, channel, reference)
    SELECT w.holder, i.issued - l.coins, i.issued, l.price, l.tax, seqs[l.j], l.expires,
           w.bucket, l.class, l.currency, l.channel, l.reference
    FROM (
        SELECT *, sum(coins) OVER (PARTITION BY j_holder[j], class ORDER BY ord) AS upto
        FROM unnest(l_of, l_class, l_coins, l_price, l_tax, l_currency, l_channel, l_reference,
                    l_expires)
            WITH ORDINALITY u (j, class, coins, price, tax, currency, channel, reference, expires,
                               ord)
        WHERE is_new[j]
    ) l
    JOIN ledger_wallet w ON w.bucket = j_bucket[l.j] AND w.holder = j_holder[l.j]
    CROSS JOIN LATERAL (
        SELECT (CASE l.class WHEN 'paid' THEN w.paid_issued ELSE w.bonus_issued END
                + l.upto)::bigint AS issued
    ) i
    RETURNING holder, start, expires_at, bucket, class
    )
    INSERT INTO ledger_expiring (holder, start, expires_at, bucket, class)
    SELECT * FROM issued WHERE expires_at IS NOT NULL;

    UPDATE ledger_wallet w
    SET paid_issued = w.paid_issued + n.paid, bonus_issued = w.bonus_issued + n.bonus
    FROM (SELECT j_bucket[l.j] AS bucket, j_holder[l.j] AS holder,
                 coalesce(sum(l.coins) FILTER (WHERE l.class = 'paid'), 0)::bigint AS paid,
                 coalesce(sum(l.coins) FILTER (WHERE l.class = 'bonus'), 0)::bigint AS bonus
          FROM unnest(l_of, l_class, l_coins) l (j, class, coins)
          WHERE is_new[l.j] GROUP BY 1, 2) n
    WHERE w.bucket = n.bucket AND w.holder = n.holder;
END $$;

-- Takes unspent serials out of circulation. Raises 23514 when one of them is spent or void already.
CREATE FUNCTION ledger_void_serials(
    is_new boolean[], seqs bigint[], j_bucket smallint[], j_holder bigint[],
    v_of integer[], v_class text[], v_start bigint[], v_stop bigint[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v record;
BEGIN
    FOR v IN
        SELECT j_bucket[u.j] AS bucket, j_holder[u.j] AS holder, seqs[u.j] AS seq,
               u.class, u.start, u.stop
        FROM unnest(v_of, v_class, v_start, v_stop) u (j, class, start, stop) WHERE is_new[u.j]
    LOOP
        UPDATE ledger_wallet w
        SET paid_void  = w.paid_void  + CASE v.class WHEN 'paid'  THEN v.stop - v.start ELSE 0 END,
            bonus_void = w.bonus_void + CASE v.class WHEN 'bonus' THEN v.stop - v.start ELSE 0 END
        WHERE w.bucket = v.bucket AND w.holder = v.holder
          AND v.start >= CASE v.class WHEN 'paid' THEN w.paid_next   ELSE w.bonus_next   END
          AND v.stop  <= CASE v.class WHEN 'paid' THEN w.paid_issued ELSE w.bonus_issued END
          AND NOT EXISTS (
              SELECT 1 FROM ledger_void o
              WHERE o.bucket = v.bucket AND o.holder = v.holder AND o.class = v.class
                AND o.start < v.stop AND v.start < o.stop);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'serials [%, %) are not wholly unspent', v.start, v.stop
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_void_unspent';
        END IF;
        INSERT INTO ledger_void (holder, start, stop, seq, bucket, class)
        VALUES (v.holder, v.start, v.stop, v.seq, v.bucket, v.class);
    END LOOP;
END $$;
