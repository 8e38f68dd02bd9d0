"""`largesse books`: the books checked, and written out for an outsider.

Owns the two commands. Must not know what an invariant says or how a format looks. Invariant: an
export that was not finished leaves no file under the name that was asked for.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from largesse.commands.failures import EXIT_CODES_HELP, ExitCode
from largesse.commands.options import DEFAULT_DATA, DataOption, JsonOption

if TYPE_CHECKING:
    from largesse.adapters.postgres.checks import Finding
    from largesse.adapters.postgres.export_rows import Snapshot
    from largesse.finance.exports import Format, Standing

app = typer.Typer(
    help="Check the books, and write them out for tools that are not ours.",
    no_args_is_help=True,
    epilog=EXIT_CODES_HELP,
)

_CHUNK = 1_000
"""Balances of one closing transaction; records between two moves of the progress bar."""


class FormatName(StrEnum):
    """The formats of an export."""

    HLEDGER = "hledger"
    BEANCOUNT = "beancount"
    CSV = "csv"
    JSONL = "jsonl"


class Summary(StrEnum):
    """What an export sums up."""

    NONE = "none"
    DAY = "day"


# --- check ---------------------------------------------------------------------------------------


@app.command()
def check(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Verify every invariant of the books on one snapshot; exits with 1 and names what breaks."""
    from largesse.adapters.postgres import checks
    from largesse.commands.database import open_books
    from largesse.commands.printing import progress

    found: list[tuple[checks.Check, list[Finding]]] = []
    with open_books(data) as books:
        books.use_django()
        with checks.snapshot(), progress("Checking", len(checks.CHECKS)) as advance:
            for one in checks.CHECKS:
                found.append((one, checks.check(one)))
                advance(1)
    breaks = [finding for _, findings in found for finding in findings]
    if as_json:
        _print_check_json(found)
    else:
        _print_check_table(found)
    if breaks:
        raise typer.Exit(ExitCode.REFUSED)


def _print_check_json(found: Iterable[tuple[object, list[Finding]]]) -> None:
    from largesse.commands.printing import print_json

    rows = [
        {
            "invariant": getattr(one, "invariant", ""),
            "title": getattr(one, "title", ""),
            "ok": not findings,
            "breaks": [{"account": f.account, "message": f.message} for f in findings],
        }
        for one, findings in found
    ]
    print_json({"ok": all(row["ok"] for row in rows), "checks": rows})


def _print_check_table(found: Iterable[tuple[object, list[Finding]]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from largesse.commands.printing import answers

    console = answers()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "What must hold", "Result"):
        table.add_column(title)
    breaks = 0
    for one, findings in found:
        breaks += len(findings)
        result = f"[red]{len(findings)} breaks[/red]" if findings else "[green]ok[/green]"
        table.add_row(getattr(one, "invariant", ""), getattr(one, "title", ""), result)
        for finding in findings:
            table.add_row("", f"  [red]{escape(finding.account)}[/red]", escape(finding.message))
    console.print(table)
    console.print(
        f"[red]The books do not hold: {breaks} breaks.[/red]" if breaks else "The books hold."
    )


# --- export --------------------------------------------------------------------------------------


@app.command()
def export(
    file: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to write; - is stdout.")
    ] = "-",
    format_name: Annotated[
        FormatName, typer.Option("--format", help="Which tool should read it.")
    ] = FormatName.HLEDGER,
    summary: Annotated[
        Summary,
        typer.Option(help="day: one transaction for the gifts of a fan and day, for large books."),
    ] = Summary.NONE,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Write every journal and gift, with the stored balances as assertions at the end."""
    from largesse.adapters.postgres.export_rows import open_snapshot
    from largesse.commands.database import open_books
    from largesse.commands.printing import notes, progress
    from largesse.finance.exports import find_format

    form = find_format(format_name.value)
    with (
        open_books(data) as books,
        open_snapshot(books.url) as snapshot,
        _target(file) as target,
        progress("Exporting", snapshot.postings) as advance,
    ):
        days = summary is Summary.DAY
        written = write_export(snapshot, form, target, days=days, advance=advance)
    if file != "-":
        notes().print(f"Wrote {written:,} transactions to {file}.")


def write_export(
    snapshot: Snapshot,
    form: Format,
    target: IO[str],
    *,
    days: bool = False,
    advance: Callable[[int], None] = lambda steps: None,
) -> int:
    """Write a snapshot to an open text file; returns the number of records."""
    target.write(form.head(snapshot.span, snapshot.assets))
    name = None
    for standing in snapshot.standings():
        if (standing.code, standing.bucket, standing.holder) != name:
            name = (standing.code, standing.bucket, standing.holder)
            target.write(form.opening(standing, snapshot.span))
    written = seen = 0
    for record in snapshot.records(days=days):
        target.write(form.record(record))
        written += 1
        seen += record.count
        if written % _CHUNK == 0:
            advance(seen)
            seen = 0
    advance(seen)
    for standings in _chunks(snapshot.standings()):
        target.writelines(form.closing(standings, snapshot.span))
    return written


def _chunks(rows: Iterator[Standing]) -> Iterator[list[Standing]]:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


@contextmanager
def _target(file: str) -> Iterator[IO[str]]:
    """Give the file to write: whole or not at all, and readable by its owner only."""
    if file == "-":
        yield sys.stdout
        return
    path = Path(file).absolute()
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # newline="": the formats end their lines themselves.
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as target:
            yield target
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
