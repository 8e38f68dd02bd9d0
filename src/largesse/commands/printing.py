"""What commands print: answers on stdout, everything else on stderr.

Owns consoles, progress bars and the JSON form. Must not know what is printed. Invariant: a progress
bar is drawn on a terminal only, so that logs and pipes stay clean.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

_UNCUT_COLUMNS = 1_000

if TYPE_CHECKING:
    from rich.console import Console


def answers() -> Console:
    """Return the console of answers."""
    return _console(is_stderr=False)


def notes() -> Console:
    """Return the console of everything that is not the answer."""
    return _console(is_stderr=True)


def _console(*, is_stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=is_stderr, highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no edge at which a row would have to be cut.
        console.width = _UNCUT_COLUMNS
    return console


def print_json(document: object) -> None:
    """Print the one JSON document of an answer."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")


def print_json_list(head: dict[str, Any], name: str, rows: Iterator[dict[str, Any]]) -> None:
    """Print one JSON object whose last member is a list, without holding the list in memory."""
    opening = json.dumps(head, ensure_ascii=False, default=str)[:-1]
    sys.stdout.write(f"{opening}{', ' if head else ''}{json.dumps(name)}: [")
    for number, row in enumerate(rows):
        sys.stdout.write(",\n" if number else "\n")
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str))
    sys.stdout.write("\n]}\n")


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs; the callable moves it on by some steps."""
    console = notes()
    if not console.is_terminal:
        yield lambda steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)
