"""What a benchmark runs: its parts, its times, and how cases take turns.

Owns the choices and the keeping of rounds by case. Must not know how a round is measured.
Invariant: cases that are compared take turns, and a ratio is the median of those of single turns.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum

from largesse.simulator.bench.engine import Round
from largesse.simulator.bench.gifts import QUIET_FAN, STEADY_FAN, Shape
from largesse.simulator.bench.report import MANY_SENDERS

Advance = Callable[[int], None]
Progress = Callable[[str, int], AbstractContextManager[Advance]]

HISTORY = {STEADY_FAN: 60, QUIET_FAN: 10}
"""Gifts that were given before any clock starts, so that an empty ledger has pages to read too."""

_QUICK_SECONDS = 34


class Part(StrEnum):
    """What a run may consist of."""

    SENDERS = "senders"
    PEERS = "peers"
    PROCESSES = "processes"
    GROWTH = "growth"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller chose: `seconds` of a round, and `rounds` that the medians are of."""

    parts: tuple[Part, ...] = tuple(Part)
    shapes: tuple[Shape, ...] = tuple(Shape)
    senders: tuple[int, ...] = (1, 32, 256, MANY_SENDERS)
    seconds: float = 3.0
    rounds: int = 5
    sizes: tuple[int, ...] = (5_000_000, 20_000_000)
    processes: tuple[int, ...] = (2, 4)
    is_quick: bool = False
    begin_until: float = math.inf
    """On `time.monotonic`: a turn of the peers that is not the first begins before it."""

    @classmethod
    def quick(cls) -> Options:
        """Return a short round that fills every ratio in well under a minute."""
        return cls(
            parts=(Part.SENDERS, Part.PEERS),
            shapes=(Shape.UNIFORM,),
            seconds=0.7,
            rounds=3,
            sizes=(),
            processes=(),
            is_quick=True,
            # A busy machine gets fewer rounds, so that the answer comes in time.
            begin_until=time.monotonic() + _QUICK_SECONDS,
        )


Key = tuple[str, int]
"""A case, or a peer, and how many senders or connections."""
Turn = tuple[Key, Callable[[], Round]]


@dataclass(slots=True)
class Rounds:
    """Rounds by case, in the order in which the cases came first."""

    found: dict[Key, list[Round]] = field(default_factory=dict)

    def take_turns(self, turns: Sequence[Turn], times: int, advance: Advance) -> None:
        """Run each turn, all of them so many times."""
        for _ in range(times):
            for key, turn in turns:
                self.found.setdefault(key, []).append(turn())
                advance(1)

    def add(self, others: Rounds) -> None:
        """Take in the rounds that were kept apart."""
        for key, found in others.found.items():
            self.found.setdefault(key, []).extend(found)

    def ratio(self, key: Key, others: Rounds, other: Key) -> float:
        """Return the median of a case's rate over that of the other in the same turn."""
        pairs = zip(self.found[key], others.found[other], strict=True)
        return statistics.median(mine.rate / theirs.rate for mine, theirs in pairs)
