-- What ledger_post_journals does to balances, lots and void serials, and what it checks after that.
-- The caller holds the lanes.

-- The two sides of each transfer as signed changes, credits positive. Inlined where it is used.
CREATE FUNCTION ledger_changes(
    t_of integer[], t_debit text[], t_debit_holder bigint[], t_debit_floor boolean[],
    t_credit text[], t_credit_holder bigint[], t_credit_floor boolean[],
    t_asset text[], t_amount bigint[]
) RETURNS TABLE (j integer, holder bigint, code text, asset text, below_zero boolean, change bigint)
LANGUAGE sql IMMUTABLE AS $$
    SELECT d.j, d.holder, d.code, d.asset, d.below_zero, -d.amount
    FROM unnest(t_of, t_debit_holder, t_debit, t_asset, t_debit_floor, t_amount)
        d (j, holder, code, asset, below_zero, amount)
    UNION ALL
    SELECT * FROM unnest(t_of, t_credit_holder, t_credit, t_asset, t_credit_floor, t_amount)
$$;

-- Adds changes (credits minus debits), one an account, to balances: debt in the wallet,
-- gift_clearing in the row of its bucket, all others in ledger_account. Coins of wallets move by
-- their lots and voids. Look-ups by key are forced: a hash join read all accounts of a bucket.
CREATE FUNCTION ledger_move_balances(
    m_bucket smallint[], m_holder bigint[], m_code text[], m_asset text[],
    m_below_zero boolean[], m_change bigint[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO ledger_account (holder, bucket, below_zero, code, asset)
    SELECT holder, bucket, below_zero, code, asset
    FROM unnest(m_bucket, m_holder, m_code, m_asset, m_below_zero)
        m (bucket, holder, code, asset, below_zero)
    WHERE code NOT IN ('fan_debt', 'gift_clearing')
    ON CONFLICT DO NOTHING;

    UPDATE ledger_account a SET balance = a.balance + m.change
    FROM unnest(m_bucket, m_holder, m_code, m_asset, m_change)
        m (bucket, holder, code, asset, change)
    WHERE a.bucket = m.bucket AND a.holder = m.holder AND a.code = m.code AND a.asset = m.asset;

    IF 'gift_clearing' = ANY (m_code) THEN
        UPDATE ledger_bucket b SET gift_clearing = b.gift_clearing + m.change
        FROM unnest(m_bucket, m_code, m_change) m (bucket, code, change)
        WHERE m.code = 'gift_clearing' AND b.bucket = m.bucket;
    END IF;

    IF 'fan_debt' = ANY (m_code) THEN
        INSERT INTO ledger_wallet (bucket, holder)
        SELECT bucket, holder FROM unnest(m_bucket, m_holder, m_code) m (bucket, holder, code)
        WHERE code = 'fan_debt' ON CONFLICT DO NOTHING;

        UPDATE ledger_wallet w SET debt = w.debt - m.change
        FROM unnest(m_bucket, m_holder, m_code, m_change) m (bucket, holder, code, change)
        WHERE m.code = 'fan_debt' AND w.bucket = m.bucket AND w.holder = m.holder;
    END IF;
END $$;

-- Issues the lots of new journals: their serials follow the wallet's last, in the order given.
CREATE FUNCTION ledger_issue_lots(
    is_new boolean[], seqs bigint[], j_bucket smallint[], j_holder bigint[],
    l_of integer[], l_class text[], l_coins bigint[], l_price bigint[], l_tax bigint[],
    l_currency text[], l_channel text[], l_reference text[], l_expires timestamptz[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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
                WITH ORDINALITY u (j, class, coins, price, tax, currency, channel, reference,
                                   expires, ord)
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
--
-- `later` are serials that journals after this one issued: for it they do not exist yet.
CREATE FUNCTION ledger_void_serials(
    is_new boolean[], seqs bigint[], j_bucket smallint[], j_holder bigint[],
    v_of integer[], v_class text[], v_start bigint[], v_stop bigint[],
    l_of integer[], l_class text[], l_coins bigint[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v record;
BEGIN
    FOR v IN
        WITH taken AS MATERIALIZED (
            SELECT j_bucket[u.j] AS bucket, j_holder[u.j] AS holder, seqs[u.j] AS seq, u.*
            FROM unnest(v_of, v_class, v_start, v_stop)
                WITH ORDINALITY u (j, class, start, stop, ord)
            WHERE is_new[u.j]
        ), issued AS MATERIALIZED (
            SELECT j_bucket[l.j] AS bucket, j_holder[l.j] AS holder, l.*
            FROM unnest(l_of, l_class, l_coins) l (j, class, coins) WHERE is_new[l.j]
        )
        SELECT t.*, coalesce(n.later, 0) AS later
        FROM taken t
        LEFT JOIN (SELECT t.ord, sum(l.coins) AS later
                   FROM taken t JOIN issued l ON l.bucket = t.bucket AND l.holder = t.holder
                                             AND l.class = t.class AND l.j > t.j
                   GROUP BY t.ord) n ON n.ord = t.ord
        ORDER BY t.ord
    LOOP
        UPDATE ledger_wallet w
        SET paid_void  = w.paid_void  + CASE v.class WHEN 'paid'  THEN v.stop - v.start ELSE 0 END,
            bonus_void = w.bonus_void + CASE v.class WHEN 'bonus' THEN v.stop - v.start ELSE 0 END
        WHERE w.bucket = v.bucket AND w.holder = v.holder
          AND v.start >= CASE v.class WHEN 'paid' THEN w.paid_next ELSE w.bonus_next END
          AND v.stop + v.later
              <= CASE v.class WHEN 'paid' THEN w.paid_issued ELSE w.bonus_issued END
          AND v.stop - v.start + v.later
              <= CASE v.class
                 WHEN 'paid' THEN w.paid_issued - w.paid_next - w.paid_void - w.paid_held
                 ELSE w.bonus_issued - w.bonus_next - w.bonus_void - w.bonus_held END
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

-- Raises 23514 when journals of this batch could not have been posted one after the other: when an
-- account was below its floor, or below what holds reserve, until a later journal filled it again.
CREATE FUNCTION ledger_check_floors(
    is_new boolean[], j_bucket smallint[],
    t_of integer[], t_debit text[], t_debit_holder bigint[], t_debit_floor boolean[],
    t_credit text[], t_credit_holder bigint[], t_credit_floor boolean[],
    t_asset text[], t_amount bigint[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    broken text;
BEGIN
    WITH changed AS (
        SELECT j_bucket[c.j] AS bucket, c.holder, c.code, c.asset, c.j, sum(c.change) AS change
        FROM ledger_changes(t_of, t_debit, t_debit_holder, t_debit_floor, t_credit,
                            t_credit_holder, t_credit_floor, t_asset, t_amount) c
        WHERE is_new[c.j] AND (NOT c.below_zero OR c.code = 'fan_debt')
          AND c.code NOT IN ('fan_paid', 'fan_bonus')
        GROUP BY 1, 2, 3, 4, 5
    ), undone AS (
        SELECT *, coalesce(sum(change) OVER (PARTITION BY bucket, holder, code, asset
            ORDER BY j DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS later
        FROM changed
    )
    SELECT u.code || ':' || u.holder INTO broken
    FROM undone u
    CROSS JOIN LATERAL (
        SELECT balance, held FROM ledger_account a
        WHERE a.bucket = u.bucket AND a.holder = u.holder AND a.code = u.code AND a.asset = u.asset
        UNION ALL
        SELECT debt, 0 FROM ledger_wallet w
        WHERE u.code = 'fan_debt' AND w.bucket = u.bucket AND w.holder = u.holder
        OFFSET 0) s
    WHERE CASE u.code WHEN 'fan_debt' THEN u.change > 0 AND s.balance + u.later < 0
                      ELSE u.change < 0 AND s.balance - u.later < s.held END
    LIMIT 1;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '% would fall below its floor', broken
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_account_floor';
    END IF;
END $$;

-- Raises LG003 for the first balance constraint that does not hold after its journal: the balance
-- now, less what later journals of the batch changed. Coins that a hold reserves are in a balance.
CREATE FUNCTION ledger_check_constraints(
    is_new boolean[], j_bucket smallint[], j_id uuid[],
    t_of integer[], t_debit text[], t_debit_holder bigint[], t_debit_floor boolean[],
    t_credit text[], t_credit_holder bigint[], t_credit_floor boolean[],
    t_asset text[], t_amount bigint[],
    k_of integer[], k_code text[], k_holder bigint[], k_asset text[],
    k_at_least bigint[], k_at_most bigint[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    broken json;
BEGIN
    WITH bound AS MATERIALIZED (
        SELECT j_bucket[k.j] AS bucket, k.*
        FROM unnest(k_of, k_code, k_holder, k_asset, k_at_least, k_at_most)
            WITH ORDINALITY k (j, code, holder, asset, at_least, at_most, ord)
        WHERE is_new[k.j]
    ), changed AS MATERIALIZED (
        SELECT j_bucket[c.j] AS bucket, c.*
        FROM ledger_changes(t_of, t_debit, t_debit_holder, t_debit_floor, t_credit,
                            t_credit_holder, t_credit_floor, t_asset, t_amount) c
        WHERE is_new[c.j]
    ), undone AS (
        SELECT k.ord, sum(c.change) AS later
        FROM bound k JOIN changed c ON c.bucket = k.bucket AND c.holder = k.holder
                                   AND c.code = k.code AND c.asset = k.asset AND c.j > k.j
        GROUP BY k.ord
    )
    SELECT json_build_object(
        'journal', j_id[k.j], 'account', k.code, 'holder', k.holder, 'asset', k.asset,
        'bound', CASE WHEN b.balance < k.at_least THEN 'at_least' ELSE 'at_most' END,
        'limit', CASE WHEN b.balance < k.at_least THEN k.at_least ELSE k.at_most END,
        'balance', b.balance)
    INTO broken
    FROM bound k
    LEFT JOIN undone u ON u.ord = k.ord
    CROSS JOIN LATERAL (
        SELECT coalesce(ledger_balance(k.bucket, k.holder, k.code, k.asset), 0)
               - coalesce(u.later, 0) AS balance) b
    WHERE b.balance < k.at_least OR b.balance > k.at_most
    ORDER BY k.j, k.ord LIMIT 1;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '%', broken USING ERRCODE = 'LG003';
    END IF;
END $$;

-- The balance of an account, wherever it is kept; null when it was never touched.
CREATE FUNCTION ledger_balance(
    b_bucket smallint, b_holder bigint, b_code text, b_asset text
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN b_code = 'gift_clearing'
        THEN (SELECT gift_clearing FROM ledger_bucket WHERE bucket = b_bucket)
        WHEN b_code IN ('fan_paid', 'fan_bonus', 'fan_debt')
        THEN (SELECT CASE b_code WHEN 'fan_paid' THEN paid_issued - paid_next - paid_void
                                 WHEN 'fan_bonus' THEN bonus_issued - bonus_next - bonus_void
                                 ELSE -debt END
              FROM ledger_wallet WHERE bucket = b_bucket AND holder = b_holder)
        ELSE (SELECT balance FROM ledger_account WHERE bucket = b_bucket AND holder = b_holder
                  AND code = b_code AND asset = b_asset) END
$$;
