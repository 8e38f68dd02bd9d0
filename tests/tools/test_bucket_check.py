"""The checker of the gift path finds every poison, and passes the product as it is."""

from __future__ import annotations

import pytest

import bucket_check
from bucket_check import Report, check_functions
from bucket_rules import plpgsql
from bucket_rules.catalogue import findings_of

HEAD = """
CREATE FUNCTION ledger_try(g_bucket smallint, g_id uuid, g_fan bigint, OUT seq bigint)
LANGUAGE plpgsql AS $$
DECLARE
    w ledger_wallet;
    n bigint := 0;
BEGIN
"""
MANY = """
CREATE FUNCTION ledger_many(g_bucket smallint[], g_id uuid[], g_fan bigint[], OUT seqs bigint[])
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    p integer;
BEGIN
"""
TAIL = "\nEND $$;\n"
INPUT = "unnest(g_bucket, g_id, g_fan) i (bucket, id, fan)"
LATERAL = "CROSS JOIN LATERAL (SELECT k.debt FROM ledger_wallet k WHERE {} OFFSET 0) w"


def findings(sql: str) -> list[str]:
    report = Report()
    check_functions(sql, report)
    return report.findings


def test_the_gift_path_of_the_product_keeps_to_one_bucket() -> None:
    report = bucket_check.check_product()
    assert report.findings == []
    assert {"ledger_bucket", "ledger_wallet", "ledger_gift", "ledger_void"} <= report.tables
    assert any("INSERT INTO ledger_gift" in text for text in report.statements)
    assert any("UPDATE ledger_wallet" in text for text in report.statements)


GOOD = [
    HEAD + "SELECT * INTO w FROM ledger_wallet WHERE bucket = g_bucket AND holder = g_fan;" + TAIL,
    HEAD + "UPDATE ledger_bucket SET last_seq = last_seq + 1 WHERE bucket = g_bucket "
    "RETURNING last_seq INTO seq;" + TAIL,
    HEAD + "INSERT INTO ledger_void (holder, bucket) VALUES (g_fan, g_bucket);" + TAIL,
    HEAD + "DELETE FROM ledger_void v USING ledger_wallet w WHERE v.bucket = w.bucket "
    "AND w.holder = v.holder AND w.bucket = g_bucket;" + TAIL,
    HEAD + "n := (SELECT max(g.seq) FROM ledger_gift g WHERE g.bucket = g_bucket);" + TAIL,
    HEAD + "SELECT count(*) INTO n FROM ledger_gift g JOIN ledger_void v USING (bucket) "
    "WHERE g.bucket = g_bucket;" + TAIL,
    HEAD + "IF EXISTS (SELECT 1 FROM ledger_void WHERE bucket = g_bucket) THEN n := 1; "
    "ELSIF g_fan = CASE WHEN n > 0 THEN 1 ELSE 2 END THEN RETURN; END IF;" + TAIL,
    MANY + "PERFORM 1 FROM ledger_bucket b WHERE b.bucket = ANY (g_bucket) ORDER BY b.bucket "
    "FOR UPDATE;" + TAIL,
    MANY + f"SELECT array_agg(o.seq) INTO seqs FROM {INPUT} JOIN ledger_gift o "
    "ON (o.bucket, o.id) = (i.bucket, i.id);" + TAIL,
    MANY + f"UPDATE ledger_bucket b SET last_seq = n.c FROM (SELECT i.bucket, count(*) AS c "
    f"FROM {INPUT} GROUP BY i.bucket) n WHERE b.bucket = n.bucket;" + TAIL,
    MANY + f"WITH a AS (SELECT i.*, row_number() OVER (PARTITION BY i.bucket ORDER BY i.fan) AS r "
    f"FROM {INPUT} {LATERAL.format('k.bucket = i.bucket AND k.holder = i.fan')}) "
    "INSERT INTO ledger_gift (seq, bucket) SELECT a.r, a.bucket FROM a;" + TAIL,
]


@pytest.mark.parametrize("sql", GOOD)
def test_what_keeps_to_one_bucket_passes(sql: str) -> None:
    assert findings(sql) == []


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (
            "UPDATE ledger_wallet SET debt = 0 WHERE holder = g_fan;",
            "ledger_wallet is not tied to a bucket that was handed in",
        ),
        (
            "DELETE FROM ledger_void WHERE holder = g_fan;",
            "ledger_void is not tied to a bucket that was handed in",
        ),
        (
            "SELECT * INTO w FROM ledger_wallet WHERE holder = g_fan;",
            "ledger_wallet is not tied to a bucket that was handed in",
        ),
        (
            (
                "PERFORM 1 FROM ledger_wallet w JOIN ledger_gift g ON g.fan = w.holder "
                "WHERE w.bucket = g_bucket;"
            ),
            "g is not tied to w by bucket",
        ),
        (
            "PERFORM 1 FROM ledger_wallet w, ledger_gift g WHERE w.bucket = g_bucket;",
            "g is not tied to w by bucket",
        ),
        (
            (
                "PERFORM 1 FROM ledger_wallet w JOIN ledger_gift g "
                "ON g.bucket = w.bucket OR g.seq = 1 "
                "WHERE w.bucket = g_bucket;"
            ),
            "g is not tied to w by bucket",
        ),
        (
            "PERFORM 1 FROM ledger_wallet w WHERE w.bucket <> g_bucket;",
            "w is not tied to a bucket that was handed in",
        ),
        (
            "PERFORM 1 FROM ledger_wallet w WHERE w.bucket = g_fan;",
            "w is not tied to a bucket that was handed in",
        ),
        (
            "PERFORM 1 FROM ledger_wallet w WHERE w.bucket < 64;",
            "w is not tied to a bucket that was handed in",
        ),
        (
            "UPDATE ledger_wallet SET bucket = 3 WHERE bucket = g_bucket;",
            "ledger_wallet would move a row to another bucket",
        ),
        (
            (
                "UPDATE ledger_wallet w SET debt = g.coins FROM ledger_gift g "
                "WHERE w.bucket = g_bucket AND w.holder = g.fan;"
            ),
            "g is not tied to w by bucket",
        ),
        (
            "INSERT INTO ledger_void (holder, bucket) VALUES (g_fan, 7);",
            "a row of ledger_void does not take the bucket",
        ),
        (
            "INSERT INTO ledger_void (holder) VALUES (g_fan);",
            "a row of ledger_void does not take the bucket",
        ),
        (
            (
                "INSERT INTO ledger_void (bucket, holder) SELECT w.holder, w.bucket "
                "FROM ledger_wallet w WHERE w.bucket = g_bucket;"
            ),
            "a row of ledger_void does not take the bucket",
        ),
        (
            (
                "INSERT INTO ledger_wallet (bucket, holder) VALUES (g_bucket, g_fan) "
                "ON CONFLICT (holder) DO NOTHING;"
            ),
            "a conflict of ledger_wallet is looked for in all buckets",
        ),
        (
            "n := (SELECT max(seq) FROM ledger_gift WHERE id = g_id);",
            "ledger_gift is not tied to a bucket that was handed in",
        ),
        (
            "IF EXISTS (SELECT 1 FROM ledger_gift WHERE id = g_id) THEN RETURN; END IF;",
            "ledger_gift is not tied to a bucket that was handed in",
        ),
        (
            "FOR w IN SELECT * FROM ledger_wallet WHERE holder = g_fan LOOP n := 1; END LOOP;",
            "ledger_wallet is not tied to a bucket that was handed in",
        ),
        (
            "WHILE (SELECT count(*) FROM ledger_gift) > n LOOP n := n + 1; END LOOP;",
            "ledger_gift is not tied to a bucket that was handed in",
        ),
        ("PERFORM 1 FROM people_holder;", "looks into people_holder, which has no bucket"),
        ("PERFORM ledger_elsewhere(g_bucket);", "ledger_elsewhere is called, and nobody checks it"),
        ("PERFORM ledger_try(3, g_id, g_fan);", "ledger_try is called with another bucket"),
        ("EXECUTE 'DELETE FROM ledger_gift';", "cannot read"),
        ("MERGE INTO ledger_gift g USING ledger_void v ON true WHEN MATCHED THEN DELETE;", "MERGE"),
        ("TRUNCATE ledger_gift;", "cannot read"),
        ("PERFORM FROM WHERE;", "cannot read"),
    ],
)
def test_a_statement_that_crosses_buckets_is_found(body: str, finding: str) -> None:
    found = findings(HEAD + body + TAIL)
    assert any(finding in one for one in found), found


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (
            f"PERFORM 1 FROM {INPUT} JOIN ledger_gift o ON o.id = i.id;",
            "o is not tied to i by bucket",
        ),
        (
            f"PERFORM 1 FROM {INPUT} {LATERAL.format('k.holder = i.fan')};",
            "k is not tied to a bucket that was handed in",
        ),
        (
            (
                f"WITH known AS (SELECT i.fan FROM {INPUT}) SELECT array_agg(i.fan) INTO seqs "
                f"FROM {INPUT} WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.fan = i.fan);"
            ),
            "k holds rows of all buckets and carries no bucket",
        ),
        (
            (
                f"UPDATE ledger_bucket b SET last_seq = n.c FROM (SELECT max(i.bucket) AS bucket, "
                f"count(*) AS c FROM {INPUT}) n WHERE b.bucket = n.bucket;"
            ),
            "an aggregate takes rows of several buckets together",
        ),
        (
            (
                f"WITH a AS (SELECT i.*, sum(i.fan) OVER (ORDER BY i.id) AS r FROM {INPUT}) "
                "INSERT INTO ledger_gift (seq, bucket) SELECT a.r, a.bucket FROM a;"
            ),
            "a window takes rows of several buckets together",
        ),
        (
            (
                f"WITH a AS (SELECT i.* FROM {INPUT} LIMIT 5) "
                "INSERT INTO ledger_gift (seq, bucket) SELECT a.fan, a.bucket FROM a;"
            ),
            "LIMIT chooses among rows of several buckets",
        ),
        (
            (
                f"WITH a AS (SELECT i.* FROM {INPUT}) INSERT INTO ledger_gift (seq, bucket) "
                "SELECT x.fan, x.bucket FROM a x JOIN a y ON x.id = y.id;"
            ),
            "y is not tied to x by bucket",
        ),
        (
            "UPDATE ledger_wallet SET debt = 0 WHERE holder = ANY (g_fan);",
            "ledger_wallet is not tied to a bucket that was handed in",
        ),
    ],
)
def test_a_batch_that_mixes_buckets_is_found(body: str, finding: str) -> None:
    found = findings(MANY + body + TAIL)
    assert any(finding in one for one in found), found


def test_a_function_without_a_bucket_is_found() -> None:
    sql = "CREATE FUNCTION ledger_x(g_fan bigint) RETURNS void AS $$ BEGIN NULL; END $$;"
    assert findings(sql) == ["ledger_x: takes no bucket"]


def test_an_exception_that_nothing_needs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    poison = {"TALLY": {**bucket_check.EXCEPTIONS["TALLY"], "no such thing": "none"}}
    monkeypatch.setattr(bucket_check, "EXCEPTIONS", {**bucket_check.EXCEPTIONS, **poison})
    assert bucket_check.check_product().findings == [
        "'TALLY: no such thing' is excepted, and nothing needs it"
    ]


def test_what_posts_a_gift_needs_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bucket_check.EXCEPTIONS.keys() <= {*bucket_check.PATH, *bucket_check.FOLLOWERS}
    assert all(reason for one in bucket_check.EXCEPTIONS.values() for reason in one.values())
    monkeypatch.setattr(bucket_check, "EXCEPTIONS", {})
    found = {finding.partition(":")[0] for finding in bucket_check.check_product().findings}
    assert found == {"GIFT_BY_KEY", *bucket_check.FOLLOWERS}


def test_every_piece_of_a_body_is_read() -> None:
    body = """
    -- A comment; with a mark.
    DECLARE a integer := (SELECT 1); b text;
    BEGIN
        <<again>> LOOP
            EXIT again WHEN a > (SELECT 2);
            BEGIN
                b := 'a ; b';
            EXCEPTION WHEN unique_violation OR deadlock_detected THEN
                a := CASE WHEN a = 3 THEN 4 ELSE 5 END;
            END;
        END LOOP;
        FOR a IN 1..cardinality(b) LOOP PERFORM 6; END LOOP;
        RETURN QUERY SELECT 7;
        INSERT INTO t (x) VALUES (8) RETURNING x INTO a;
    END"""
    pieces = list(plpgsql.pieces_of(plpgsql.Function("f", [], [], body)))
    assert all(piece.is_readable for piece in pieces)
    assert [piece.text for piece in pieces] == [
        "SELECT (SELECT 1)",
        "SELECT a > (SELECT 2)",
        "SELECT 'a ; b'",
        "SELECT CASE WHEN a = 3 THEN 4 ELSE 5 END",
        "SELECT 1, cardinality(b)",
        "SELECT 6",
        "SELECT 7",
        "INSERT INTO t (x) VALUES (8) RETURNING x",
    ]


TABLE = [("t", "table", ""), ("t", "bucket", "smallint"), ("t", "key", "t_pkey begins with bucket")]


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        ([*TABLE, ("t", "key", "t_id begins with id")], "not with bucket"),
        ([*TABLE, ("t", "key", "t_x begins with an expression")], "not with bucket"),
        ([*TABLE, ("t", "trigger", "t_told")], "trigger t_told"),
        ([*TABLE, ("t", "foreign key", "t_fan")], "foreign key t_fan"),
        ([*TABLE, ("t", "identity", "seq")], "identity seq"),
        ([*TABLE, ("t", "default", "seq from nextval('s')")], "default seq"),
        ([*TABLE, ("t", "rewrite rule", "r")], "rewrite rule r"),
        (TABLE[:2], "has no unique key"),
        ([TABLE[0], TABLE[2]], "has no column bucket"),
        ([TABLE[0], TABLE[2], ("t", "bucket", "smallint that may be null")], "no column bucket"),
        ([], "no such table"),
    ],
)
def test_a_poisoned_catalogue_is_found(rows: list[tuple[str, str, str]], finding: str) -> None:
    assert findings_of(["t"], TABLE) == []
    found = findings_of(["t"], rows)
    assert any(finding in one for one in found), found
