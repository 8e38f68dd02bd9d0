"""Coins of the model, one letter each in a row, so that a serial is a position.

Owns what became of every coin, and which lot it came in. Must not use the product's purses, rules,
splits or SQL. Invariant: it is so simple that one can see that it is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

UNSPENT, SPENT, DELIVERED, VOID = b"usdv"
"""What became of a coin. A spent coin is delivered when the close has taken its price."""


@dataclass
class LotModel:
    """Coins issued together: who brought them, where they start, and what was paid."""

    name: str
    start: int
    coins: int
    net: int = 0
    tax: int = 0
    currency: str = ""
    expires_at: datetime | None = None
    taken_back: int = 0

    @property
    def stop(self) -> int:
        return self.start + self.coins

    def part(self, total: int, serial: int) -> int:
        """The part of a total that one coin bears, such that all coins sum to the total."""
        position = serial - self.start
        return total * (position + 1) // self.coins - total * position // self.coins


@dataclass
class Coins:
    """All coins of one class that a fan ever had, and their lots."""

    states: bytearray = field(default_factory=bytearray)
    lots: list[LotModel] = field(default_factory=list)
    held: int = 0

    def add(self, lot: LotModel) -> None:
        lot.start = len(self.states)
        self.lots.append(lot)
        self.states += bytes([UNSPENT]) * lot.coins

    @property
    def balance(self) -> int:
        """Coins that can be spent: holds count coins, they name none."""
        return self.states.count(UNSPENT) - self.held

    @property
    def next(self) -> int:
        """The serial after the last that was spent."""
        return max(self.states.rfind(SPENT), self.states.rfind(DELIVERED)) + 1

    @property
    def unspent(self) -> list[int]:
        return [serial for serial, state in enumerate(self.states) if state == UNSPENT]

    def mark(self, serials: Iterable[int], state: int) -> None:
        for serial in serials:
            self.states[serial] = state

    def price(self, serials: Iterable[int]) -> Counter[str]:
        """What was paid for coins, without tax, in minor units per currency."""
        total: Counter[str] = Counter()
        for serial in serials:
            lot = next(lot for lot in self.lots if lot.start <= serial < lot.stop)
            total[lot.currency] += lot.part(lot.net, serial)
        return total
