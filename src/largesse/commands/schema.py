"""Whether a database is ready for this version of the product, and for which mode.

Owns the marks that travel with the database: the fingerprint of the schema and catalogue that it
was prepared with, whether its books are real or a sandbox's, and whether the demo world was made.
Must not import Django: the answer decides whether that is needed at all. Invariant: books never
change between real and sandbox.

The marks are comments on tables that the migrations made: they need no table of their own, come and
go with the database, and are read in one round trip.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from largesse.commands.failures import CommandFailure, ExitCode

_PACKAGE = Path(__file__).resolve().parent.parent
_CONTENT = ("*/migrations/*.py", "**/postgres/**/*.sql", "**/postgres/migrations/*.py")
_CATALOGUE = ("catalog/*.json",)
_LIBRARIES = ("Django", "django-allauth", "procrastinate")
"""Libraries that bring migrations of their own."""

SANDBOX = "sandbox"
REAL = "real"

_READ_MARKS = """
    SELECT obj_description(to_regclass('django_migrations'), 'pg_class'),
           obj_description(to_regclass('largesse_clock'), 'pg_class'),
           to_regclass('ledger_bucket') IS NOT NULL,
           coalesce(obj_description(to_regclass('people_holder'), 'pg_class') = 'demo world', false)
"""


@dataclass(frozen=True, slots=True)
class Marks:
    """What a database says of itself: the fingerprint, the mode, and what it holds."""

    fingerprint: str | None
    mode: str | None
    has_books: bool
    has_world: bool


def fingerprint() -> str:
    """Return what identifies the schema and catalogue of the installed product."""
    digest = hashlib.sha256()
    for pattern in (*_CONTENT, *_CATALOGUE):
        for path in sorted(_PACKAGE.glob(pattern)):
            digest.update(str(path.relative_to(_PACKAGE)).encode())
            digest.update(path.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()[:32]


def read_marks(url: str) -> Marks:
    """Return the marks of a database; an empty one has none."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(_READ_MARKS).fetchone()
    assert row is not None, "a SELECT without FROM returns one row"
    return Marks(*row)


def is_prepared(marks: Marks) -> bool:
    """Tell whether the database fits the installed product."""
    return marks.fingerprint == fingerprint()


def require_mode(marks: Marks, mode: str, where: str) -> None:
    """Refuse to run real books as a sandbox, or a sandbox's as real ones."""
    if marks.mode is None or marks.mode == mode:
        return
    if marks.mode == SANDBOX:
        advice = "Use `largesse demo` or `largesse up --sandbox`"
    else:
        advice = "Leave out --sandbox"
    raise CommandFailure(
        f"The database of {where} holds {marks.mode} books. {advice}, "
        "or choose another data directory with --data DIR.",
        ExitCode.REFUSED,
    )


def write_marks(url: str, mode: str) -> None:
    """Remember that the database is prepared, and its mode where it has none."""
    mode = read_marks(url).mode or mode
    _comment(url, {"largesse_clock": mode, "django_migrations": fingerprint()})


def write_world_mark(url: str) -> None:
    """Remember that the demo world is whole."""
    _comment(url, {"people_holder": "demo world"})


def _comment(url: str, marks: Mapping[str, str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for table, mark in marks.items():
            comment = sql.SQL("COMMENT ON TABLE {} IS {}")
            connection.execute(comment.format(sql.Identifier(table), sql.Literal(mark)))
