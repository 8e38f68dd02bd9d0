"""`largesse bench gifts`: how many gifts a second this machine posts, and as what they grow.

Owns the command, its options and its throw-away server. Must not measure. Invariant: with --json
the report is the one object on stdout, and there is none when the books disagree with the count.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from largesse.commands.failures import EXIT_CODES_HELP, CommandFailure, ExitCode
from largesse.commands.options import JsonOption

if TYPE_CHECKING:
    from largesse.simulator.bench.plan import Options
    from largesse.simulator.bench.report import Report

Choice = TypeVar("Choice", bound=StrEnum)

app = typer.Typer(help="Measure this machine.", no_args_is_help=True, epilog=EXIT_CODES_HELP)

_MILLION = 1_000_000


@app.callback()
def _commands() -> None:
    """Keep `gifts` a command of its own, beside those that may come."""


@app.command()
def gifts(  # noqa: PLR0913, PLR0917 - an option each
    quick: Annotated[
        bool, typer.Option("--quick", help="A short round in under a minute, for the ratios.")
    ] = False,
    parts: Annotated[
        str | None,
        typer.Option(
            metavar="P,P", help="Of senders, peers, processes, growth and live; default all."
        ),
    ] = None,
    senders: Annotated[
        str | None, typer.Option(metavar="N,N", help="Senders; default 1,32,256,2048.")
    ] = None,
    creators: Annotated[
        str | None,
        typer.Option(metavar="C,C", help="Of uniform, hot and pareto (80 % to 1 %); default all."),
    ] = None,
    preload: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Gifts of grown ledgers; default 5M,20M."),
    ] = None,
    processes: Annotated[
        str | None, typer.Option(metavar="N,N", help="Processes at once; default 2,4.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, max=60, help="Of each round; default 3, quick 0.7.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, max=99, help="The medians are of; default 5, quick 3.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A directory on the disk to measure; default a new one."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the tables between the markers of this file too."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the posting engine on a database of its own, which is removed afterwards.

    Senders wait for their answers before they give again. What is compared takes turns. All parts
    together take about 25 minutes and 6 GB of disk. At the end the coins in the books are the
    gifts that were counted, or there is no report.
    """
    from largesse.commands.printing import notes, print_json

    options = _options(
        quick=quick,
        lists=(parts, senders, creators, preload, processes),
        seconds=seconds,
        rounds=rounds,
    )
    report = _measure(options, data)
    for note in report.notes:
        notes().print(f"Not measured: {note}", markup=False)
    if table is not None:
        _write_table(table, report)
    if as_json:
        print_json(report.document())
    else:
        _print_tables(report)


def _options(
    *,
    quick: bool,
    lists: tuple[str | None, str | None, str | None, str | None, str | None],
    seconds: float | None,
    rounds: int | None,
) -> Options:
    """Read the choices; what was not chosen is the default, or the short round's."""
    from largesse.simulator.bench.gifts import Shape
    from largesse.simulator.bench.plan import Options, Part

    base = Options.quick() if quick else Options()
    parts, senders, creators, preload, processes = lists
    return Options(
        parts=_choices(Part, "--parts", parts) or base.parts,
        shapes=_choices(Shape, "--creators", creators) or base.shapes,
        senders=_numbers("--senders", senders, 20_000) or base.senders,
        seconds=seconds or base.seconds,
        rounds=rounds or base.rounds,
        sizes=_numbers("--preload", preload, 1_000 * _MILLION) or base.sizes,
        processes=_numbers("--processes", processes, 64) or base.processes,
        is_quick=quick,
        begin_until=base.begin_until,
    )


def _numbers(option: str, text: str | None, most: int) -> tuple[int, ...]:
    """Read `1,32` or `5M,20M`; raises CommandFailure."""
    numbers = []
    for word in (text or "").split(","):
        plain = word.strip().upper()
        if not plain:
            continue
        digits, factor = (plain[:-1], _MILLION) if plain.endswith("M") else (plain, 1)
        if not (digits.isascii() and digits.isdigit() and 0 < int(digits) * factor <= most):
            raise CommandFailure(
                f"{option} takes numbers from 1 to {most:,} with commas between, not {word!r}.",
                ExitCode.USAGE,
            )
        numbers.append(int(digits) * factor)
    return tuple(numbers)


def _choices(kind: type[Choice], option: str, text: str | None) -> tuple[Choice, ...]:
    """Read some of a closed set; raises CommandFailure."""
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    known = {one.value: one for one in kind}
    for word in words:
        if word not in known:
            raise CommandFailure(
                f"{option} takes {', '.join(known)} with commas between, not {word!r}.",
                ExitCode.USAGE,
            )
    return tuple(known[word] for word in words)


def _measure(options: Options, data: Path | None) -> Report:
    from largesse.commands.printing import progress
    from largesse.simulator.bench.ledgers import BooksDisagree
    from largesse.simulator.bench.peers import PeerFailed

    with fresh_ledger(data) as url:
        # It needs Django, which the fresh ledger has loaded.
        from largesse.simulator.bench.course import run
        from largesse.simulator.bench.live import LiveFailed

        try:
            return run(url, options, progress)
        except (BooksDisagree, PeerFailed, LiveFailed) as why:
            raise CommandFailure(f"There is no report. {why}") from why


@contextmanager
def fresh_ledger(data: Path | None) -> Iterator[str]:
    """Give the address of a prepared, empty ledger on a server of its own, fsync on."""
    from largesse.adapters.postgres.server import EmbeddedServer
    from largesse.commands import schema
    from largesse.commands.database import prepare

    with (
        tempfile.TemporaryDirectory(prefix="largesse-bench-", dir=data) as directory,
        EmbeddedServer(Path(directory) / "postgres") as server,
    ):
        os.environ["LARGESSE_DATA"] = directory
        os.environ["DATABASE_URL"] = server.url
        prepare(server.url, mode=schema.SANDBOX)
        from django.db import connection

        connection.close()
        yield server.url


def _write_table(path: Path, report: Report) -> None:
    from largesse.simulator.bench.tables import markdown, write_between_markers

    try:
        write_between_markers(path, markdown(report))
    except ValueError as why:
        raise CommandFailure(str(why)) from why


def _print_tables(report: Report) -> None:
    from rich.table import Table

    from largesse.commands.printing import answers
    from largesse.simulator.bench.tables import remarks, summary, tables_of

    console = answers()
    console.print(summary(report))
    for one in tables_of(report):
        shown = Table(title=one.title, title_justify="left", box=None)
        for column in one.columns:
            shown.add_column(column.strip(), justify="right" if column[0] == " " else "left")
        for row in one.rows:
            shown.add_row(*row)
        console.print()
        console.print(shown)
    console.print()
    for said in remarks(report):
        console.print(said, markup=False)
