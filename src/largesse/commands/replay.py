"""`largesse replay`: recorded support driven through the real engine.

Owns the command, its options and how its report looks. Must not know a format. Invariant: with
--json the report is the one object on stdout.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from largesse.commands.failures import CommandFailure, ExitCode
from largesse.commands.options import DEFAULT_DATA, DataOption, JsonOption

_SHOWN_CREATORS = 12
_BASIS_POINTS = 10_000
_REPORT_ROWS = (
    ("events", "Events read"),
    ("gifts", "Gifts posted"),
    ("streaks", "Streaks"),
    ("fans", "Fans"),
    ("creators", "Creators"),
    ("coins_recharged", "Coins recharged"),
    ("coins_gifted", "Coins gifted"),
    ("diamonds", "Diamonds"),
    ("rejected", "Rejected"),
    ("replayed", "Known already"),
    ("seconds", "Seconds"),
    ("gifts_per_second", "Gifts per second"),
)


class FormatName(StrEnum):
    """The formats of a recording; docs/guides/replay.md describes them."""

    TIKTOK = "tiktok"
    DONATIONS = "donations"
    EVENTS = "events"


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recording; gzip is read too.")],
    recording: Annotated[FormatName, typer.Option("--format", help="What the file holds.")],
    share: Annotated[
        str, typer.Option(metavar="SHARE", help="What creators receive of the coins, 0 to 1.")
    ] = "0.5",
    hold_days: Annotated[
        int, typer.Option(min=0, max=365, help="Days until diamonds become available.")
    ] = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Report bad lines, and replay the others.")
    ] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Replay a recording: fans recharge what they need, then gift. Twice changes nothing."""
    share_bp = _basis_points(share)
    if not file.is_file():
        raise CommandFailure(f"There is no file {file}.", ExitCode.USAGE)
    from largesse.commands.database import open_books
    from largesse.commands.printing import print_json, progress

    with open_books(data, create=True) as books:
        books.use_django()
        from largesse.adapters import clock
        from largesse.simulator.replay.run import Options, inspect
        from largesse.simulator.replay.run import replay as run_replay

        options = Options(share_bp, hold_days)
        usable, bad = inspect(file, recording.value, skip_bad=skip_bad)
        with progress("Replaying", usable) as advance:
            report = run_replay(file, recording.value, options, clock.now(), advance)
    report |= {"bad_lines": [{"line": number, "reason": why} for number, why in bad]}
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _basis_points(share: str) -> int:
    """Read a share such as 0.75 exactly; raises CommandFailure."""
    try:
        scaled = Decimal(share) * _BASIS_POINTS
    except InvalidOperation:
        scaled = Decimal(-1)
    if not scaled.is_finite() or not 0 <= scaled <= _BASIS_POINTS or scaled % 1:
        raise CommandFailure(
            f"--share must lie between 0 and 1 with at most four decimals, not {share}.",
            ExitCode.USAGE,
        )
    return int(scaled)


def _print_report(report: dict[str, Any]) -> None:
    from rich.table import Table

    from largesse.commands.printing import answers

    console = answers()
    totals = Table("", "", show_header=False, box=None)
    for name, title in _REPORT_ROWS:
        value = report[name]
        totals.add_row(title, f"{value:,}")
    console.print(totals)
    for code, times in report["rejected_by_reason"].items():
        console.print(f"  rejected {times:,}: {code}")
    for bad in report["bad_lines"]:
        console.print(f"  line {bad['line']} skipped: {bad['reason']}", markup=False)
    creators = Table("Creator", "Coins", "Diamonds", box=None)
    ranked = sorted(report["per_creator"].items(), key=lambda item: -item[1]["coins"])
    for name, sums in ranked[:_SHOWN_CREATORS]:
        creators.add_row(name, f"{sums['coins']:,}", f"{sums['diamonds']:,}")
    console.print(creators)
    if len(ranked) > _SHOWN_CREATORS:
        console.print(f"and {len(ranked) - _SHOWN_CREATORS:,} more; --json lists all of them.")
