-- The tables of the ledger. Every primary and unique key begins with `bucket`, and no statement of
-- the gift path crosses buckets: fans live in buckets 0 to 63, creators' books in 64 to 127.
-- No foreign keys and no triggers, so that the tables can be distributed by bucket.

-- One row a bucket: the lane that every writer of the bucket takes first (in ascending order), the
-- gapless sequence of its journals, and the two accounts that every gift touches.
CREATE TABLE ledger_bucket (
    bucket        smallint PRIMARY KEY CHECK (bucket BETWEEN 0 AND 127),
    last_seq      bigint NOT NULL DEFAULT 0,
    gift_clearing bigint NOT NULL DEFAULT 0,
    closed_seq    bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
INSERT INTO ledger_bucket (bucket) SELECT generate_series(0, 127);

-- A fan's coins: serials issued and the next to spend, per class. Balance = issued - next - void;
-- of it, `held` is reserved by pending journals. `paid_first` is the fan's spend order.
CREATE TABLE ledger_wallet (
    holder       bigint NOT NULL,
    paid_issued  bigint NOT NULL DEFAULT 0,
    paid_next    bigint NOT NULL DEFAULT 0,
    paid_void    bigint NOT NULL DEFAULT 0,
    paid_held    bigint NOT NULL DEFAULT 0,
    bonus_issued bigint NOT NULL DEFAULT 0,
    bonus_next   bigint NOT NULL DEFAULT 0,
    bonus_void   bigint NOT NULL DEFAULT 0,
    bonus_held   bigint NOT NULL DEFAULT 0,
    debt         bigint NOT NULL DEFAULT 0 CHECK (debt >= 0),
    head_seq     bigint NOT NULL DEFAULT 0,
    bucket       smallint NOT NULL,
    frozen       boolean NOT NULL DEFAULT false,
    paid_first   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (bucket, holder),
    CONSTRAINT ledger_wallet_paid CHECK (
        paid_next >= 0 AND paid_void >= 0 AND paid_held >= 0
        AND paid_next + paid_void + paid_held <= paid_issued),
    CONSTRAINT ledger_wallet_bonus CHECK (
        bonus_next >= 0 AND bonus_void >= 0 AND bonus_held >= 0
        AND bonus_next + bonus_void + bonus_held <= bonus_issued)
) WITH (fillfactor = 70);

-- Every other account: credits minus debits, of which pending journals reserve `held`. What may
-- fall below zero is said by `below_zero`.
CREATE TABLE ledger_account (
    holder     bigint NOT NULL,
    balance    bigint NOT NULL DEFAULT 0,
    held       bigint NOT NULL DEFAULT 0,
    bucket     smallint NOT NULL,
    below_zero boolean NOT NULL,
    code       text NOT NULL,
    asset      text NOT NULL,
    PRIMARY KEY (bucket, holder, code, asset),
    CONSTRAINT ledger_account_floor CHECK (held >= 0 AND (below_zero OR balance >= held))
) WITH (fillfactor = 70);

-- Journals of everything but gifts; gifts have rows of their own in the same sequence.
CREATE TABLE ledger_journal (
    seq         bigint NOT NULL,
    holder      bigint NOT NULL,
    at          timestamptz NOT NULL,
    bucket      smallint NOT NULL,
    id          uuid NOT NULL,
    event       text NOT NULL,
    reference   text NOT NULL,
    fingerprint bytea NOT NULL,
    detail      jsonb NOT NULL,
    PRIMARY KEY (bucket, seq),
    UNIQUE (bucket, id)
);
CREATE INDEX ledger_journal_holder ON ledger_journal (bucket, holder, seq) WHERE holder <> 0;

CREATE TABLE ledger_transfer (
    seq           bigint NOT NULL,
    debit_holder  bigint NOT NULL,
    credit_holder bigint NOT NULL,
    amount        bigint NOT NULL CHECK (amount > 0),
    bucket        smallint NOT NULL,
    line          smallint NOT NULL,
    debit         text NOT NULL,
    credit        text NOT NULL,
    asset         text NOT NULL,
    PRIMARY KEY (bucket, seq, line)
);

-- Lots: the serials [start, stop) that one recharge or promotion issued, and what was paid.
CREATE TABLE ledger_lot (
    holder      bigint NOT NULL,
    start       bigint NOT NULL,
    stop        bigint NOT NULL,
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    tax_minor   bigint NOT NULL CHECK (tax_minor BETWEEN 0 AND price_minor),
    seq         bigint NOT NULL,
    expires_at  timestamptz,
    bucket      smallint NOT NULL,
    class       text NOT NULL CHECK (class IN ('paid', 'bonus')),
    currency    text NOT NULL,
    channel     text NOT NULL,
    reference   text NOT NULL,
    PRIMARY KEY (bucket, holder, class, start),
    CHECK (0 <= start AND start < stop)
);

CREATE TABLE ledger_void (
    holder bigint NOT NULL,
    start  bigint NOT NULL,
    stop   bigint NOT NULL,
    seq    bigint NOT NULL,
    bucket smallint NOT NULL,
    class  text NOT NULL CHECK (class IN ('paid', 'bonus')),
    PRIMARY KEY (bucket, holder, class, start),
    CHECK (0 <= start AND start < stop)
);

-- One row a gift: the journal "fan bonus and paid -> gift_clearing" and what it bought. `id` is
-- made of the fan and the client's key, so it is the idempotency key. Serial ranges include void
-- serials that were skipped. `prev_seq` is the fan's gift before (0: none), which makes history a
-- chain. `streak_seq` is the first gift of its streak (0: this one).
CREATE TABLE ledger_gift (
    seq        bigint NOT NULL,
    fan        bigint NOT NULL,
    creator    bigint NOT NULL,
    room       bigint NOT NULL,
    coins      bigint NOT NULL CHECK (coins > 0),
    bonus      bigint NOT NULL CHECK (bonus BETWEEN 0 AND coins),
    paid_from  bigint NOT NULL,
    paid_to    bigint NOT NULL,
    bonus_from bigint NOT NULL,
    bonus_to   bigint NOT NULL,
    prev_seq   bigint NOT NULL,
    streak_seq bigint NOT NULL,
    at         timestamptz NOT NULL,
    gift       integer NOT NULL,
    count      integer NOT NULL CHECK (count > 0),
    policy     integer NOT NULL,
    bucket     smallint NOT NULL,
    id         uuid NOT NULL,
    PRIMARY KEY (bucket, seq),
    UNIQUE (bucket, id)
);

-- Two-phase journals. One that is pending has moved nothing and has no place in the sequence; it
-- reserves what it will debit (ledger_reserved, whose rows stay when it is resolved). `content` is
-- the whole journal, so that posting it books what was promised.
CREATE TABLE ledger_pending (
    holder      bigint NOT NULL,
    at          timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    resolved_at timestamptz,
    bucket      smallint NOT NULL,
    id          uuid NOT NULL,
    state       text NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'posted', 'voided', 'expired')),
    reason      text NOT NULL,
    fingerprint bytea NOT NULL,
    content     jsonb NOT NULL,
    PRIMARY KEY (bucket, id),
    CHECK (expires_at > at),
    CHECK ((state = 'pending') = (resolved_at IS NULL))
);
CREATE INDEX ledger_pending_due ON ledger_pending (bucket, expires_at) WHERE state = 'pending';

CREATE TABLE ledger_reserved (
    holder bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    bucket smallint NOT NULL,
    id     uuid NOT NULL,
    code   text NOT NULL,
    asset  text NOT NULL,
    PRIMARY KEY (bucket, id, holder, code, asset)
);

-- Creators whose payouts are frozen. A fan's freeze is in the wallet, where the gift path reads.
CREATE TABLE ledger_freeze (
    holder bigint NOT NULL,
    bucket smallint NOT NULL CHECK (bucket >= 64),
    PRIMARY KEY (bucket, holder)
);

-- How far a creators' bucket has rolled up: seen[i] is the last sequence of fans' bucket i - 1
-- whose gifts it has credited, tick the number of its roll-ups.
CREATE TABLE ledger_rollup (
    tick   bigint NOT NULL DEFAULT 0,
    bucket smallint PRIMARY KEY CHECK (bucket >= 64),
    seen   bigint[] NOT NULL
) WITH (fillfactor = 20);
INSERT INTO ledger_rollup (bucket, seen)
    SELECT b, array_fill(0::bigint, ARRAY[64]) FROM generate_series(64, 127) b;

-- One row a creator: the share's remainder in 1/10000 diamond, so that rounding loses nothing.
CREATE TABLE ledger_earner (
    holder    bigint NOT NULL,
    remainder integer NOT NULL DEFAULT 0 CHECK (remainder BETWEEN 0 AND 9999),
    bucket    smallint NOT NULL,
    PRIMARY KEY (bucket, holder)
);

-- What an earning journal rolled up: the gifts of `creator` under `policy` whose sequence in fans'
-- bucket i - 1 lies in (from_seq[i], to_seq[i]] of the roll-up `tick`.
CREATE TABLE ledger_earning (
    seq       bigint NOT NULL,
    creator   bigint NOT NULL,
    gifts     bigint NOT NULL,
    coins     bigint NOT NULL,
    diamonds  bigint NOT NULL,
    tick      bigint NOT NULL,
    policy    integer NOT NULL,
    remainder integer NOT NULL,
    bucket    smallint NOT NULL,
    PRIMARY KEY (bucket, seq)
);
CREATE INDEX ledger_earning_creator ON ledger_earning (bucket, creator, seq);

CREATE TABLE ledger_tick (
    tick     bigint NOT NULL,
    at       timestamptz NOT NULL,
    bucket   smallint NOT NULL,
    from_seq bigint[] NOT NULL,
    to_seq   bigint[] NOT NULL,
    PRIMARY KEY (bucket, tick)
);

-- A queue, not a book: diamonds that mature at a time. Rows leave it with their maturity journal.
CREATE TABLE ledger_maturing (
    holder     bigint NOT NULL,
    release_at timestamptz NOT NULL,
    diamonds   bigint NOT NULL CHECK (diamonds > 0),
    bucket     smallint NOT NULL,
    PRIMARY KEY (bucket, release_at, holder)
);

-- The product's clock in sandbox mode stands this many seconds ahead.
CREATE TABLE largesse_clock (
    id             smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    offset_seconds bigint NOT NULL DEFAULT 0 CHECK (offset_seconds >= 0)
);
INSERT INTO largesse_clock DEFAULT VALUES;
