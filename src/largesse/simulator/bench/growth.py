"""A ledger that grows, beside one that stays empty.

Owns the part of a benchmark that needs history: its posting, its checks and the turns that the two
ledgers take. Must not know how a page or a round is measured. Invariant: a size is measured only
when every check of the product holds on its books.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from largesse.simulator.bench import ledgers, pages
from largesse.simulator.bench.engine import Engine, Round
from largesse.simulator.bench.gifts import QUIET_FAN, STEADY_FAN, Shape
from largesse.simulator.bench.plan import HISTORY, Options, Progress, Rounds
from largesse.simulator.bench.report import MANY_SENDERS, Report, Size, row_of

_FANS = {"long history": STEADY_FAN, "short history": QUIET_FAN}


@dataclass(slots=True)
class Growth:
    """Two copies of one world: `grown_url` is preloaded size by size, `empty_url` is not."""

    empty_url: str
    grown_url: str
    options: Options
    progress: Progress
    report: Report
    posted: int = 0
    seconds: float = 0.0

    def run(self) -> None:
        """Measure every size; raises BooksDisagree."""
        with Engine(self.empty_url, seed=2) as empty, Engine(self.grown_url, seed=3) as grown:
            for size in sorted(self.options.sizes):
                self._preload(size)
                self._check(grown.given)
                self._measure(empty, grown)
            before = sum(HISTORY.values())
            ledgers.check_coins(self.empty_url, before + empty.given)
            ledgers.check_coins(self.grown_url, before + self.posted + grown.given)

    def _preload(self, size: int) -> None:
        begin = time.monotonic()
        with self.progress(f"Posting up to {size:,} gifts", size - self.posted) as advance:
            ledgers.preload(
                self.grown_url,
                self.posted,
                size,
                history=max(self.options.sizes),
                advance=advance,
            )
        self.posted = size
        self.seconds += time.monotonic() - begin

    def _check(self, given: int) -> None:
        with self.progress("Checking the books", 1) as advance:
            ledgers.check_coins(self.grown_url, sum(HISTORY.values()) + self.posted + given)
            pages.check_books(self.grown_url)
            advance(1)

    def _measure(self, empty: Engine, grown: Engine) -> None:
        seconds, times = self.options.seconds, self.options.rounds
        size = f"{self.posted / 1_000_000:g} M gifts before"
        name, beside = f"uniform, {size}", f"uniform, beside {size}"
        rounds = Rounds()
        weight = ledgers.weigh(self.grown_url)
        with self.progress("Empty and grown in turns", 2 * times + 2) as advance:
            for engine in (empty, grown):
                engine.round(Shape.UNIFORM, MANY_SENDERS, seconds)
                advance(1)
            turns = [
                ((case, MANY_SENDERS), _turn(engine, seconds))
                for case, engine in ((beside, empty), (name, grown))
            ]
            rounds.take_turns(turns, times, advance)
        times_ms = pages.page_times_ms({"empty": self.empty_url, "grown": self.grown_url}, _FANS)
        self.report.rows += [row_of(*key, found) for key, found in rounds.found.items()]
        self.report.sizes.append(
            Size(
                gifts=self.posted,
                preload_seconds=self.seconds,
                weight=weight,
                rate_ratio=rounds.ratio((name, MANY_SENDERS), rounds, (beside, MANY_SENDERS)),
                page_ms=times_ms["grown"],
                empty_page_ms=times_ms["empty"],
            )
        )


def _turn(engine: Engine, seconds: float) -> Callable[[], Round]:
    return lambda: engine.round(Shape.UNIFORM, MANY_SENDERS, seconds)
