"""What the catalogue of a migrated database says about tables that are split by bucket.

Owns the questions and what an answer may not hold. Must not know a connection: the caller runs
CATALOGUE with the names of tables and hands the rows to `findings_of`. Invariant: a table that the
catalogue does not know is a finding, so nothing passes by having been renamed.

Source: PostgreSQL manual, chapter "System Catalogs" (pg_index, pg_constraint, pg_trigger,
pg_attribute, pg_rewrite).
"""

from __future__ import annotations

from collections.abc import Iterable

CATALOGUE = """
WITH RECURSIVE tree AS (
    SELECT c.oid, c.relname::text AS table_name, c.relname::text AS name FROM pg_class c
    WHERE c.relname = ANY (%(tables)s) AND c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT p.oid, t.table_name, p.relname::text FROM tree t
    JOIN pg_inherits i ON i.inhparent = t.oid JOIN pg_class p ON p.oid = i.inhrelid
)
SELECT t.name, 'table', '' FROM tree t
UNION ALL
SELECT t.name, 'key', k.relname || ' begins with ' || coalesce(a.attname, 'an expression')
FROM tree t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class k ON k.oid = x.indexrelid
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0] AND a.attnum > 0
WHERE x.indisunique OR x.indisprimary OR x.indisexclusion
UNION ALL
SELECT t.name, 'foreign key', f.conname FROM tree t
JOIN pg_constraint f ON f.contype = 'f' AND t.oid IN (f.conrelid, f.confrelid)
UNION ALL
SELECT t.name, 'trigger', g.tgname FROM tree t JOIN pg_trigger g ON g.tgrelid = t.oid
UNION ALL
SELECT t.name, 'rewrite rule', r.rulename FROM tree t JOIN pg_rewrite r ON r.ev_class = t.oid
UNION ALL
SELECT t.name, 'identity', a.attname FROM tree t
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attidentity <> ''
UNION ALL
SELECT t.name, 'default', a.attname || ' from ' || pg_get_expr(d.adbin, d.adrelid) FROM tree t
JOIN pg_attrdef d ON d.adrelid = t.oid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.adnum
WHERE pg_get_expr(d.adbin, d.adrelid) LIKE '%%nextval%%'
UNION ALL
SELECT t.name, 'bucket', format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN '' ELSE
       ' that may be null' END
FROM tree t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'bucket'
"""
"""Asks about tables and their partitions: rows of (table, kind, detail)."""

_NEVER = {
    "foreign key": "is bound to a row of another table",
    "trigger": "runs code that no checker reads",
    "rewrite rule": "rewrites statements behind their text",
    "identity": "takes numbers from a sequence that all buckets share",
    "default": "takes numbers from a sequence that all buckets share",
}


def findings_of(tables: Iterable[str], rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return what is wrong with the tables, from the catalogue's answer."""
    found: list[str] = []
    answers = list(rows)
    known = {name for name, kind, _ in answers if kind == "table"}
    split = {name for name, kind, detail in answers if (kind, detail) == ("bucket", "smallint")}
    keyed = {name for name, kind, _ in answers if kind == "key"}
    for table in sorted({*tables} | known):
        if table not in known:
            found.append(f"{table}: the database has no such table")
        elif table not in split:
            found.append(f"{table}: has no column bucket of type smallint that is never null")
        elif table not in keyed:
            found.append(f"{table}: has no unique key")
    for name, kind, detail in answers:
        if kind == "key" and not detail.endswith(" begins with bucket"):
            found.append(f"{name}: unique key {detail}, not with bucket")
        elif kind in _NEVER:
            found.append(f"{name}: {kind} {detail} {_NEVER[kind]}")
    return found
