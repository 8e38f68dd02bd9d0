"""What a benchmark found: rows, ratios and the figures that the product promises.

Owns the form of the report for machines, and each figure's target and verdict. Must not measure.
Invariant: a figure that was not measured is None and has no verdict.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from largesse.simulator.bench.engine import Round, percentiles_ms
from largesse.simulator.bench.ledgers import Weight

MIDDLE_SENDERS = 256
MANY_SENDERS = 2_048
RATIOS = ("copy_limit", "hordak", "hot_to_uniform")


@dataclass(frozen=True, slots=True)
class Row:
    """A case: medians over its rounds."""

    case: str
    senders: int
    gifts_per_second: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Way:
    """What one peer reached over so many connections: medians over its rounds."""

    name: str
    meaning: str
    connections: int
    gifts_per_second: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Size:
    """A grown ledger beside an empty one: its gifts/s of theirs, and pages' times for two fans."""

    gifts: int
    preload_seconds: float
    weight: Weight
    rate_ratio: float
    page_ms: dict[str, float]
    empty_page_ms: dict[str, float]

    @property
    def page_ratio(self) -> float:
        """The slowest growth of a page's time."""
        return max(self.page_ms[fan] / self.empty_page_ms[fan] for fan in self.page_ms)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its target; `is_floor` tells whether it must be at least or at most that."""

    name: str
    target: float
    is_floor: bool
    value: float | None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None for a figure that was not measured."""
        if self.value is None:
            return None
        return self.value >= self.target if self.is_floor else self.value <= self.target

    @property
    def verdict(self) -> str:
        """The verdict in words, and by how much a target is missed."""
        if self.value is None:
            return "not measured"
        if self.holds:
            return "holds"
        return f"missed by {abs(self.value / self.target - 1):.0%}"


@dataclass(slots=True)
class Report:
    """Everything that a run found. `notes` say what is missing and why."""

    machine: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    ratios: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(RATIOS))
    weight: Weight | None = None
    times: dict[str, float] = field(default_factory=dict)
    lone_ratio: float | None = None
    load_us: float | None = None
    client_us: float | None = None
    process_ratios: dict[int, float] = field(default_factory=dict)
    live_mb: float | None = None
    notes: list[str] = field(default_factory=list)

    def best_way(self, name: str) -> Way | None:
        """Return a peer's fastest row, None where it did not run."""
        ways = [way for way in self.ways if way.name == name]
        return max(ways, key=lambda way: way.gifts_per_second, default=None)

    def _row(self, case: str, senders: int) -> Row | None:
        return next((r for r in self.rows if (r.case, r.senders) == (case, senders)), None)

    @property
    def figures(self) -> list[Figure]:
        """The figures that the product promises, in the order of their promise."""
        middle = self._row("uniform", MIDDLE_SENDERS)
        last = self.sizes[-1] if self.sizes else None
        weight = last.weight if last else self.weight
        grown = f"at {last.gifts / 1_000_000:g} M gifts" if last else ""
        return [
            Figure("times django-hordak", 150, True, self.ratios["hordak"]),
            Figure(
                "times a transaction a gift, our own function",
                60,
                True,
                self.times.get("transaction_a_gift"),
            ),
            Figure(
                "times a transaction a gift, SQL of accounts, transfers and entries",
                60,
                True,
                self.times.get("per_transfer"),
            ),
            Figure("of durable COPY of the same rows", 0.2, True, self.ratios["copy_limit"]),
            Figure(
                "times TigerBeetle through its Python client",
                1.5,
                True,
                None,
                "not at hand: registries carry its client, none its server",
            ),
            Figure("one hot creator, of uniform", 0.8, True, self.ratios["hot_to_uniform"]),
            Figure(
                f"p99 with {MIDDLE_SENDERS} senders, ms",
                50,
                False,
                middle.p99_ms if middle else None,
            ),
            Figure("one sender, of a plain INSERT a transaction", 1.0, True, self.lone_ratio),
            Figure("gifts/s, of empty", 0.8, True, last.rate_ratio if last else None, grown),
            Figure(
                "time of a history page, of empty",
                1.2,
                False,
                last.page_ratio if last else None,
                grown,
            ),
            Figure(
                "bytes a gift with indexes",
                250,
                False,
                weight.bytes_per_gift if weight else None,
                grown or (f"at {weight.gifts:,} gifts" if weight else ""),
            ),
            Figure("live process, MB", 300, False, self.live_mb),
        ]

    def document(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "results": [{name: getattr(row, name) for name in Row.__slots__} for row in self.rows],
            "ratios": {name: _short(value) for name, value in self.ratios.items()},
            "peers": [{name: getattr(way, name) for name in Way.__slots__} for way in self.ways],
            "figures": [
                {
                    "figure": one.name,
                    "target": one.target,
                    "at_least": one.is_floor,
                    "value": _short(one.value),
                    "holds": one.holds,
                    "note": one.note,
                }
                for one in self.figures
            ],
            "preload": [
                {
                    "gifts": size.gifts,
                    "seconds": round(size.preload_seconds, 1),
                    "gifts_per_second_of_empty": _short(size.rate_ratio),
                    "history_page_of_empty": _short(size.page_ratio),
                }
                for size in self.sizes
            ],
            "history_page_ms": self._page_times(),
            "bytes_per_gift": {
                str(weight.gifts): weight.bytes_per_gift
                for weight in [self.weight, *(size.weight for size in self.sizes)]
                if weight is not None
            },
            "times_peer": {name: _short(times) for name, times in self.times.items()},
            "processes": {str(n): _short(ratio) for n, ratio in self.process_ratios.items()},
            "load_us_per_gift": _short(self.load_us),
            "client_us_per_gift": _short(self.client_us),
            "live_process_mb": _short(self.live_mb),
            "machine": self.machine,
            "notes": self.notes,
        }

    def _page_times(self) -> dict[str, dict[str, float | None]]:
        times = {"0": self.sizes[0].empty_page_ms} if self.sizes else {}
        times |= {str(size.gifts): size.page_ms for size in self.sizes}
        return {size: {fan: _short(ms) for fan, ms in of.items()} for size, of in times.items()}


def row_of(case: str, senders: int, rounds: Sequence[Round]) -> Row:
    """Return the medians of some rounds of a case."""
    return Row(case, senders, *_medians(rounds))


def way_of(name: str, meaning: str, connections: int, rounds: Sequence[Round]) -> Way:
    """Return the medians of some rounds of a peer."""
    return Way(name, meaning, connections, *_medians(rounds))


def _medians(rounds: Sequence[Round]) -> tuple[int, float, float]:
    cuts = [percentiles_ms(one.latencies) for one in rounds]
    p50, p99 = (statistics.median(one) for one in zip(*cuts, strict=True))
    rate = statistics.median(one.rate for one in rounds)
    return round(rate), round(p50, 2), round(p99, 2)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
