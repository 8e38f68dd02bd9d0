"""`largesse clock`: the test clock of a sandbox.

Owns the two commands and how a span of time is written. Must not read the wall clock itself.
Invariant: only a sandbox's clock moves, and only forwards.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from largesse.commands.failures import EXIT_CODES_HELP, CommandFailure, ExitCode
from largesse.commands.options import DEFAULT_DATA, DataOption, JsonOption

if TYPE_CHECKING:
    from largesse.commands.database import Books

app = typer.Typer(
    help="Show and advance the test clock (sandbox only).",
    no_args_is_help=True,
    epilog=EXIT_CODES_HELP,
)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_LONGEST = timedelta(days=3660)


@app.command()
def show(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Show the product's time and how far it stands ahead."""
    from largesse.commands.database import open_books

    with open_books(data) as books:
        _require_sandbox(books)
        _print(books, _offset(books), as_json)


@app.command()
def advance(
    span: Annotated[str, typer.Argument(metavar="SPAN", help="Such as 15d, 12h or 1d12h.")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Move the clock ahead; running processes follow within a second."""
    import psycopg

    from largesse.adapters.clock import ADVANCE_OFFSET_SQL
    from largesse.commands.database import open_books

    moved = read_span(span)
    with open_books(data) as books:
        _require_sandbox(books)
        with psycopg.connect(books.url, autocommit=True) as connection:
            seconds = moved // timedelta(seconds=1)
            connection.execute(ADVANCE_OFFSET_SQL, {"seconds": seconds})
        _print(books, _offset(books), as_json)


def read_span(text: str) -> timedelta:
    """Return the time that a text such as 15d or 1d12h stands for.

    Raises CommandFailure (wrong usage) for anything else, and for more than ten years.
    """
    parts = _SPAN.findall(text)
    if not parts or "".join(f"{count}{unit}" for count, unit in parts) != text:
        raise CommandFailure(
            f"{text!r} is no span of time. Write a number and s, m, h, d or w, as in 15d or 1d12h.",
            ExitCode.USAGE,
        )
    moved = sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
    if moved > _LONGEST:
        raise CommandFailure("The clock moves by ten years at most.", ExitCode.USAGE)
    return moved


def _require_sandbox(books: Books) -> None:
    from largesse.commands import schema

    if schema.read_marks(books.url).mode != schema.SANDBOX:
        raise CommandFailure(
            "These books are real: only a sandbox has a clock that moves. "
            "`largesse demo` makes one."
        )


def _offset(books: Books) -> int:
    import psycopg

    from largesse.adapters.clock import READ_OFFSET_SQL

    with psycopg.connect(books.url, autocommit=True) as connection:
        row = connection.execute(READ_OFFSET_SQL).fetchone()
    assert row is not None, "a SELECT without FROM returns one row"
    return int(row[0])


def _print(books: Books, offset_seconds: int, as_json: bool) -> None:
    from largesse.adapters.clock import Clock
    from largesse.commands.printing import answers, print_json

    now = Clock(lambda: offset_seconds).now()
    if as_json:
        print_json({"now": now.isoformat(), "ahead_seconds": offset_seconds})
    else:
        ahead = timedelta(seconds=offset_seconds)
        answers().print(f"{now:%Y-%m-%d %H:%M:%S} UTC, {ahead} ahead of the wall clock.")
