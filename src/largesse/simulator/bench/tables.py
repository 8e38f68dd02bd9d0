"""A benchmark's report as tables, for people and for Markdown.

Owns which tables there are and how numbers look in them. Must not know the terminal. Invariant:
what lies between the markers of a Markdown file is replaced as a whole, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from largesse.simulator.bench.report import Figure, Report

BEGIN = "<!-- bench: begin -->"
END = "<!-- bench: end -->"


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the columns (those that begin with a blank are of numbers), and the rows."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables_of(report: Report) -> list[Table]:
    """Return the tables that have rows."""
    every = [
        Table(
            "What is promised",
            ("figure", " target", " value", "verdict"),
            [_figure_row(one) for one in report.figures],
        ),
        Table(
            "The posting engine",
            ("case", " senders", " gifts/s", " p50 ms", " p99 ms"),
            [
                (
                    row.case,
                    f"{row.senders:,}",
                    f"{row.gifts_per_second:,}",
                    f"{row.p50_ms:,.1f}",
                    f"{row.p99_ms:,.1f}",
                )
                for row in report.rows
            ],
        ),
        Table(
            "Its peers",
            ("way", " connections", " gifts/s", " p50 ms", " p99 ms"),
            [
                (
                    way.meaning,
                    f"{way.connections:,}",
                    f"{way.gifts_per_second:,}",
                    f"{way.p50_ms:,.1f}",
                    f"{way.p99_ms:,.1f}",
                )
                for way in report.ways
            ],
        ),
        Table("Growth", (" gifts before", *_GROWTH_COLUMNS), _growth_rows(report)),
    ]
    return [table for table in every if table.rows]


_GROWTH_COLUMNS = (
    " gifts/s, of empty",
    " page of 50, long history, ms",
    " page of 50, short history, ms",
    " bytes a gift",
    " posted in s",
)


def _growth_rows(report: Report) -> list[tuple[str, ...]]:
    if not report.sizes:
        return []
    empty = report.sizes[0].empty_page_ms.values()
    return [
        ("0", "1.00", *(f"{ms:.2f}" for ms in empty), "", ""),
        *(
            (
                f"{size.gifts:,}",
                f"{size.rate_ratio:.2f}",
                *(f"{ms:.2f}" for ms in size.page_ms.values()),
                f"{size.weight.bytes_per_gift:,}",
                f"{size.preload_seconds:,.0f}",
            )
            for size in report.sizes
        ),
    ]


def _figure_row(one: Figure) -> tuple[str, ...]:
    sign = "at least" if one.is_floor else "at most"
    name = f"{one.name} ({one.note})" if one.note else one.name
    value = "–" if one.value is None else _number(one.value)
    return name, f"{sign} {_number(one.target)}", value, one.verdict


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def summary(report: Report) -> str:
    """Return in a sentence where and how the figures were measured."""
    machine = report.machine
    busy = (
        f"; the load average was {machine['load_average']} before it began, so other work kept "
        "the machine busy: read the ratios"
        if machine["load_average"] > machine["processors"]
        else ""
    )
    return (
        f"{machine['at']}, {machine['processors']} processors, {machine['architecture']}, "
        f"Python {machine['python']}, PostgreSQL {machine['postgresql']}; fsync on; medians of "
        f"{machine['rounds']} rounds of {machine['seconds']:g} s{busy}."
    )


def remarks(report: Report) -> list[str]:
    """Return what else a reader should know, a sentence each."""
    said = []
    if report.client_us is not None and report.load_us is not None:
        said.append(
            f"With the most senders this process spent {report.client_us:.1f} µs of its own on a "
            f"gift, {report.load_us:.1f} µs of them on the load itself."
        )
    said += [
        f"{number} processes post {ratio:.2f} times what one posts, all to one creator."
        for number, ratio in report.process_ratios.items()
    ]
    return said + [f"Not measured: {note}" for note in report.notes]


def markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    parts = [summary(report)]
    for table in tables_of(report):
        marks = ["---:" if column.startswith(" ") else "---" for column in table.columns]
        lines = [
            f"### {table.title}",
            "",
            _line([column.strip() for column in table.columns]),
            _line(marks),
            *(_line(row) for row in table.rows),
        ]
        parts.append("\n".join(lines))
    if said := remarks(report):
        parts.append("\n".join(f"- {one}" for one in said))
    return "\n\n".join(parts)


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def write_between_markers(path: Path, text: str) -> None:
    """Replace what lies between the markers; raises ValueError where they are missing."""
    old = path.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(BEGIN) > old.index(END):
        raise ValueError(f"{path} has no place for the tables: a line {BEGIN}, and later {END}.")
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")
