-- The Merkle log of all postings (docs/guides/receipts.md). It follows the commit: the sealer reads
-- committed rows by the buckets' gapless sequences and writes these tables only, so no gift waits
-- for it. Every posting has one leaf; within a step of the sealer leaves stand in the order of
-- (bucket, seq).

-- One row: how many leaves there are, the last sequence sealed of each bucket (seen[i] is that of
-- bucket i - 1), and the hashes that fill no tile yet. `origin` and `key_check` are set by the
-- first step and pin the log's name and the operator's key.
CREATE TABLE ledger_log (
    id        smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    size      bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    seen      bigint[] NOT NULL,
    edge      bytea NOT NULL DEFAULT '',
    origin    text,
    key_check bytea
) WITH (fillfactor = 20);
ALTER TABLE ledger_log ALTER COLUMN edge SET STORAGE EXTERNAL;
INSERT INTO ledger_log (seen) VALUES (array_fill(0::bigint, ARRAY[128]));

-- Which leaves are whose: those from `first` are the postings (from_seq, to_seq] of the bucket.
CREATE TABLE ledger_log_range (
    first    bigint NOT NULL,
    from_seq bigint NOT NULL,
    to_seq   bigint NOT NULL CHECK (to_seq > from_seq),
    bucket   smallint NOT NULL,
    PRIMARY KEY (bucket, from_seq)
);
CREATE UNIQUE INDEX ledger_log_range_first ON ledger_log_range (first);

-- 256 hashes a row, only ever added: level 0 holds leaves, level n roots of tiles of level n - 1.
CREATE TABLE ledger_log_tile (
    number bigint NOT NULL,
    level  smallint NOT NULL,
    hashes bytea NOT NULL CHECK (length(hashes) = 8192),
    PRIMARY KEY (level, number)
);
-- Uncompressed, so that a proof reads the few hashes that it needs.
ALTER TABLE ledger_log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Where journals with a public id stand; gifts are found by their own key.
CREATE TABLE ledger_log_reference (
    seq       bigint NOT NULL,
    bucket    smallint NOT NULL,
    reference text NOT NULL,
    event     text NOT NULL,
    PRIMARY KEY (bucket, reference, seq)
);

-- Signed checkpoints, kept for ever. `published_at` says when one was first handed to somebody.
CREATE TABLE ledger_log_checkpoint (
    size         bigint PRIMARY KEY,
    at           timestamptz NOT NULL,
    published_at timestamptz,
    note         text NOT NULL
);
CREATE INDEX ledger_log_checkpoint_published ON ledger_log_checkpoint (size)
    WHERE published_at IS NOT NULL;
