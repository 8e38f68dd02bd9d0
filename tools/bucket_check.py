"""Proves that nothing on the gift path crosses buckets: `python tools/bucket_check.py`.

Owns which statements are the gift path, and which exceptions stand for what reason. Must not know a
database. Exit code 0: nothing found; 1: findings, one a line.
Invariant: a statement that cannot be read, and an exception that nothing needs any more, are
findings.

What it proves, of every statement on the path (PATH) by its text: each relation that is split by
bucket is tied, by equalities that always hold, to the bucket of every other such relation of its
query block and to a bucket that was handed in; each UPDATE and DELETE names its bucket and no row
ever moves to another; each INSERT takes the bucket of the rows that it is made of; no aggregate,
window or LIMIT mixes rows of several buckets into something that is used further; every function of
ours that is called there is read too, with the same bucket. What follows the gifts after their
commit (FOLLOWERS) is read in the same way. The few exceptions stand below with their reasons; what
posts a gift has none.

What it does not prove: that a caller hands in the right bucket of a fan; what flows from one
statement to the next through variables of PL/pgSQL; what a function of PostgreSQL itself does; that
two rows of one batch do not meet in an array of the answer. `tests/adapters/postgres/
test_buckets.py` covers these from outside: a batch over many buckets leaves the same rows and
answers as one call for each bucket. The keys are proved from the catalogue of a migrated database,
by `bucket_rules.catalogue` in the same test.

The text is parsed by sqlglot in PostgreSQL's dialect; PL/pgSQL is split into single statements by
`bucket_rules.plpgsql`. A parameter is a bucket when it is a smallint or smallint[] whose name is
`bucket` or ends with `_bucket`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from bucket_rules import plpgsql
from bucket_rules.queries import Given, Reading
from largesse.adapters.postgres import statements as store
from largesse.gifting import statements as gifting
from largesse.ledger.gifts import GiftPosting
from largesse.money.ids import HolderId, RoomId, uuid7

ROOT = Path(__file__).resolve().parent.parent
SQL = ROOT / "src" / "largesse" / "adapters" / "postgres" / "sql"
LIVE = ROOT / "src" / "largesse" / "live"

PATH_FILES = ("post_gifts.sql",)
"""Files all of whose functions are the gift path."""

PATH = ("GIFT_BY_KEY",)
"""Statements of `gifting.statements` that a request of a fan runs."""

FOLLOWERS = ("TALLY", "ROOM_GIFTS_AFTER_MARKS", "GIFTS_BETWEEN", "BUCKET_ENDS")
"""Statements of `gifting.statements` that read committed gifts, in transactions of their own."""

SPLIT = re.compile(r"ledger_\w+|gifting_tally_mark|gifting_gift_line")
"""Tables that are split by bucket."""

EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "GIFT_BY_KEY": {
        "looks into earnings_sharepolicy, which has no bucket": "terms by number, which operators "
        "write: a copy of them may stand everywhere",
    },
    "TALLY": {
        "m is not tied to a bucket that was handed in": "every bucket has a mark of its own, and "
        "one run follows all of them",
        "an aggregate takes rows of several buckets together": "a room's tally is kept by fan, and "
        "a fan has one bucket",
        "looks into gifting_room_tally, which has no bucket": "it is the room's, after the commit",
    },
    "ROOM_GIFTS_AFTER_MARKS": {
        "m is not tied to a bucket that was handed in": "a room is read in with its gifts of all "
        "buckets, each after its own mark",
        "looks into people_holder, which has no bucket": "the name that a room shows",
    },
    "GIFTS_BETWEEN": {
        "looks into people_holder, which has no bucket": "the name that a room shows",
    },
    "BUCKET_ENDS": {
        "ledger_bucket is not tied to a bucket that was handed in": "reads how far each bucket "
        "went; no row is compared with another",
    },
}
"""What single statements are allowed, and why. What posts a gift is allowed nothing."""

_OWN_SQL = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(?:ledger|gifting)_")
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[sbt]")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and which tables the path and its followers touch."""

    findings: list[str] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)
    statements: list[str] = field(default_factory=list)


def is_split(table: str) -> bool:
    """Return whether a table is split by bucket."""
    return SPLIT.fullmatch(table) is not None


def check_functions(sql: str, report: Report) -> dict[str, list[int]]:
    """Read every function of a file; returns which arguments of each are buckets."""
    functions = plpgsql.functions_of(sql)
    calls = {function.name: function.bucket_places for function in functions}
    for function in functions:
        if not function.buckets:
            report.findings.append(f"{function.name}: takes no bucket")
        given = Given(function.buckets, calls, is_split)
        for piece in plpgsql.pieces_of(function):
            if not piece.is_readable:
                report.findings.append(f"{function.name}: cannot read {piece.text[:80]!r}")
                continue
            check_statement(function.name, piece.text, given, report)
    if sql.upper().count("CREATE FUNCTION") != len(functions):
        report.findings.append("a function of the file cannot be read")
    return calls


def check_statement(name: str, text: str, given: Given, report: Report) -> None:
    """Read one statement; what it does with buckets goes to the report."""
    try:
        parsed = sqlglot.parse_one(text, dialect="postgres")
    except SqlglotError as error:
        said = str(error).splitlines()[0]
        report.findings.append(f"{name}: cannot read {text[:80]!r}: {said}")
        return
    reading = Reading(given)
    reading.read(parsed)
    report.findings.extend(f"{name}: {finding}" for finding in reading.findings)
    report.findings.extend(
        f"{name}: looks into {table}, which has no bucket" for table in sorted(reading.others)
    )
    report.tables.update(reading.tables)
    report.statements.append(text)


def check_text(name: str, sql: str, calls: dict[str, list[int]], report: Report) -> None:
    """Read one statement of Python's, with psycopg's placeholders."""
    numbers = iter(range(sql.count("%")))
    buckets: set[str] = set()

    def parameter(match: re.Match[str]) -> str:
        # Nameless placeholders may each be a bucket: that they are the right one is the caller's.
        named = match[1] or f"place_{next(numbers)}_bucket"
        if named.split("_")[-1] == "bucket":
            buckets.add(named)
        return named

    text = _PLACEHOLDER.sub(parameter, sql).replace("%%", "%")
    check_statement(name, text, Given(frozenset(buckets), calls, is_split), report)


def store_statements() -> Iterator[tuple[str, str]]:
    """Return what the store really sends for gifts: a lone one, a batch, and a wallet."""
    one = GiftPosting(
        id=uuid7(0, bytes(10)),
        fan=HolderId(1),
        creator=HolderId(2),
        room=RoomId(3),
        gift=1,
        count=1,
        coins=1,
        policy=1,
        streak_seq=0,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    for name, gifts in (("post_gifts of one", [one]), ("post_gifts", [one] * 8)):
        yield name, next(store.post_gifts(gifts)).sql
    steps: Any = store.read_wallet(HolderId(1), lock=True)
    answer: list[tuple[object, ...]] | None = None
    try:
        while True:
            query = steps.send(answer)
            yield "read_wallet", query.sql
            answer = []
    except StopIteration:
        return


def literal_statements(path: Path) -> Iterator[str]:
    """Return the SQL that stands in a module itself; the live service should have none."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = node.value if isinstance(node, ast.Constant) else ""
        if isinstance(text, str) and _OWN_SQL.search(text):
            yield text


def check_product() -> Report:
    """Read the gift path of this product and what follows it."""
    report = Report()
    calls: dict[str, list[int]] = {}
    for name in PATH_FILES:
        calls |= check_functions((SQL / name).read_text(encoding="utf-8"), report)
    for name, sql in store_statements():
        check_text(name, sql, calls, report)
    for name in (*PATH, *FOLLOWERS):
        check_text(name, getattr(gifting, name), calls, report)
    for module in sorted(LIVE.glob("*.py")):
        for sql in literal_statements(module):
            report.findings.append(f"{module.name}: holds a statement of its own: {sql[:60]!r}")
    allowed = {f"{name}: {said}" for name, reasons in EXCEPTIONS.items() for said in reasons}
    needless = sorted(allowed - set(report.findings))
    report.findings[:] = [finding for finding in report.findings if finding not in allowed]
    report.findings.extend(f"{one!r} is excepted, and nothing needs it" for one in needless)
    return report


def main() -> int:
    """Check the product and print what was found; returns the exit code."""
    report = check_product()
    for finding in report.findings:
        print(finding)
    if not report.findings:
        tables = ", ".join(sorted(report.tables))
        print(f"{len(report.statements)} statements keep to one bucket each: {tables}")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
