-- What goes with lots: when they expire, and which class of coins a fan spends first.

-- A queue, not a book: lots that expire at a time. Rows leave it with the journal that expires what
-- is left of the lot, so that a sweep reads what is due and never the lots that were.
CREATE TABLE ledger_expiring (
    holder     bigint NOT NULL,
    start      bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    bucket     smallint NOT NULL,
    class      text NOT NULL CHECK (class IN ('paid', 'bonus')),
    PRIMARY KEY (bucket, expires_at, holder, class, start)
);

-- Every change of a fan's spend order, written with the wallet's `paid_first`: the fan's gifts of a
-- later sequence than `after_seq` follow it. A fan without rows spends bonus coins first.
CREATE TABLE ledger_spend_order (
    holder     bigint NOT NULL,
    after_seq  bigint NOT NULL,
    bucket     smallint NOT NULL,
    paid_first boolean NOT NULL,
    PRIMARY KEY (bucket, holder, after_seq)
);
