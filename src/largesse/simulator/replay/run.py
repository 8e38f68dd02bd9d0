"""One replay from file to report.

Owns the two passes (is every line usable? then post) and the report. Must not know the terminal.
Invariant: a file with a line that cannot be used posts nothing, unless the caller asked to skip
such lines.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.statements import Query, Steps
from largesse.money.ids import HolderId
from largesse.simulator.replay import services
from largesse.simulator.replay.engine import Replay
from largesse.simulator.replay.events import BadLine, BadLines
from largesse.simulator.replay.formats import read

_SHOWN_BAD_LINES = 10
_PROGRESS_STEP = 500


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller chose: the creators' share in basis points, and the hold in days."""

    share_bp: int
    hold_days: int


def inspect(path: Path, name: str, *, skip_bad: bool) -> tuple[int, list[tuple[int, str]]]:
    """Read a whole file without posting; return its usable events and its bad lines.

    Raises WrongFormat, and BadLines unless they may be skipped.
    """
    usable = 0
    bad: list[tuple[int, str]] = []
    for number, event in read(path, name):
        if isinstance(event, BadLine):
            bad.append((number, str(event)))
        else:
            usable += 1
    if bad and not skip_bad:
        shown = "; ".join(f"line {number}: {why}" for number, why in bad[:_SHOWN_BAD_LINES])
        more = f" (and {len(bad) - _SHOWN_BAD_LINES} more)" if len(bad) > _SHOWN_BAD_LINES else ""
        raise BadLines(
            f"{len(bad)} of {usable + len(bad)} lines cannot be used, so nothing was posted. "
            f"{shown}{more}. Mend the file, or run again with --skip-bad.",
            lines=[number for number, _ in bad],
        )
    return usable, bad


def replay(
    path: Path, name: str, options: Options, now: datetime, advance: Callable[[int], None]
) -> dict[str, object]:
    """Drive a file that was inspected through the engine; return the report, ready for JSON.

    `advance(events)` hears of progress. Lines that cannot be used are passed over: `inspect` told
    of them. Raises TransientError when the database gives way; the same call goes on from there.
    """
    policy = services.replay_policy(options.share_bp, options.hold_days, now)
    started = time.monotonic_ns()
    events = (event for _, event in read(path, name) if not isinstance(event, BadLine))
    with _no_cycle_collection(), Replay(name, policy) as engine:
        while chunk := list(islice(events, _PROGRESS_STEP)):
            for event in chunk:
                engine.feed(event)
            advance(len(chunk))
        engine.finish()
    return _report(engine, max(1, (time.monotonic_ns() - started) // 1_000_000))


@contextmanager
def _no_cycle_collection() -> Iterator[None]:
    """Leave memory to reference counts: a replay makes no cycles, and looking for them in what it
    remembers of every fan and event took two fifths of its time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _report(engine: Replay, elapsed_ms: int) -> dict[str, object]:
    counts = engine.counts
    diamonds = run(_diamonds_of(list(engine.creators.values())))
    per_creator = {
        name: {"coins": counts.coins_of[name], "diamonds": diamonds.get(holder, 0)}
        for name, holder in sorted(engine.creators.items())
    }
    return {
        "events": counts.events,
        "gifts": counts.gifts,
        "streaks": len(counts.streaks),
        "fans": len(engine.fans),
        "creators": len(engine.creators),
        "coins_recharged": counts.coins_recharged,
        "coins_gifted": counts.coins_gifted,
        "diamonds": sum(diamonds.values()),
        "rejected": sum(counts.rejected.values()),
        "rejected_by_reason": dict(counts.rejected),
        "replayed": counts.replayed,
        "seconds": elapsed_ms / 1000,
        "gifts_per_second": counts.gifts * 1000 // elapsed_ms,
        "per_creator": per_creator,
    }


def _diamonds_of(creators: list[HolderId]) -> Steps[dict[HolderId, int]]:
    """Read what creators were credited in all, in whole diamonds."""
    rows = yield Query(
        "SELECT creator, sum(diamonds)::bigint FROM ledger_earning "
        "WHERE bucket = ANY (SELECT DISTINCT 64 + (c & 63) FROM unnest(%s::bigint[]) c) "
        "AND creator = ANY (%s) GROUP BY creator",
        (creators, creators),
    )
    return {HolderId(creator): diamonds for creator, diamonds in rows}
