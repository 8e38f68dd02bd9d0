"""Lots: coins with serial numbers.

Owns how serials are issued, spent and voided, and which lots paid for a range. Must not know where
wallets are stored. Invariant: every serial below `issued` is spent once, void once, or still
unspent, and the real-money costs of all ranges of a lot sum to the lot's price.

Each wallet counts, per class, the coins ever issued (`issued`) and the next serial to spend
(`next`). A lot is the range [start, stop) that one recharge or promotion issued. Revoked and
expired serials are void ranges that the spending counter skips.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from largesse.ledger.errors import BadJournal, InsufficientBalance
from largesse.money.amounts import cumulative_part


class CoinClass(Enum):
    """Paid coins were bought; bonus coins were granted. Only paid coins are a liability."""

    PAID = "paid"
    BONUS = "bonus"


@dataclass(frozen=True, slots=True, order=True)
class SerialRange:
    """Serials from `start` up to and excluding `stop`."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop:
            raise BadJournal(f"[{self.start}, {self.stop}) is not a range of serials.")

    def __len__(self) -> int:
        return self.stop - self.start

    def overlap(self, other: SerialRange) -> SerialRange:
        """Return the serials that both have; an empty range when there is none."""
        start = max(self.start, other.start)
        return SerialRange(start, max(start, min(self.stop, other.stop)))


@dataclass(frozen=True, slots=True)
class Lot:
    """Coins issued together: `price_minor` of `currency` was paid, `tax_minor` of it as tax."""

    serials: SerialRange
    price_minor: int
    tax_minor: int
    currency: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Purse:
    """The coins of one class in one wallet.

    `held` of its unspent coins are reserved by pending journals. A hold counts coins and names no
    serials, so whoever takes serials may take any, but no more of them than `balance`.
    """

    issued: int = 0
    next: int = 0
    voids: tuple[SerialRange, ...] = field(default=())
    held: int = 0

    @property
    def balance(self) -> int:
        """Coins that can be spent: unspent, and not reserved by a hold."""
        ahead = SerialRange(self.next, self.issued)
        return len(ahead) - sum(len(void.overlap(ahead)) for void in self.voids) - self.held

    def issue(self, count: int) -> tuple[Purse, SerialRange]:
        """Add `count` new serials at the end; returns the purse and the lot's range."""
        if count <= 0:
            raise BadJournal("A lot needs at least one coin.")
        lot = SerialRange(self.issued, self.issued + count)
        return replace(self, issued=lot.stop), lot

    def take(self, count: int) -> tuple[Purse, SerialRange]:
        """Spend the next `count` coins; the range returned spans any void serials skipped.

        Raises InsufficientBalance with the exact shortfall when there are fewer.
        """
        if count > self.balance:
            raise InsufficientBalance(
                f"{count - self.balance} coins are missing.", shortfall=count - self.balance
            )
        start = stop = self.next
        left = count
        for live in self.unspent():
            used = min(left, len(live))
            if used == 0:
                break
            stop = live.start + used
            left -= used
        return replace(self, next=stop), SerialRange(start, stop)

    def revoke(self, serials: SerialRange) -> Purse:
        """Void unspent serials; raises BadJournal when one is spent, void or never issued.

        Raises InsufficientBalance when fewer coins than these are free of holds.
        """
        taken = any(len(void.overlap(serials)) for void in self.voids)
        if serials.start < self.next or serials.stop > self.issued or taken:
            raise BadJournal(f"[{serials.start}, {serials.stop}) is not wholly unspent.")
        if len(serials) > self.balance:
            missing = len(serials) - self.balance
            raise InsufficientBalance(f"{missing} coins are held.", shortfall=missing)
        return replace(self, voids=tuple(sorted((*self.voids, serials))))

    def unspent(self) -> Iterable[SerialRange]:
        """Yield the ranges that can be spent, in order."""
        position = self.next
        for void in sorted(self.voids):
            if void.stop <= position:
                continue
            if void.start > position:
                yield SerialRange(position, void.start)
            position = void.stop
        if position < self.issued:
            yield SerialRange(position, self.issued)

    def revocable(self, serials: SerialRange, count: int) -> list[SerialRange]:
        """Return at most `count` unspent serials inside a range, the newest first.

        Never more than the balance: what a pending journal reserves is not taken from under it.
        """
        ranges: list[SerialRange] = []
        left = min(count, self.balance)
        for live in reversed(list(self.unspent())):
            inside = live.overlap(serials)
            start = max(inside.start, inside.stop - left)
            if start < inside.stop:
                ranges.append(SerialRange(start, inside.stop))
                left -= inside.stop - start
        return ranges


class SpendOrder(Enum):
    """Which class of coins a gift takes first. A policy per region; it holds from the next gift."""

    BONUS_FIRST = "bonus_first"
    PAID_FIRST = "paid_first"


def spend(paid: int, bonus: int, coins: int, order: SpendOrder) -> tuple[int, int]:
    """Return (paid, bonus) coins to spend; the sum is `coins`.

    `paid` and `bonus` are what there is; a class is touched only when the one before it is used up.
    """
    if order is SpendOrder.PAID_FIRST:
        from_paid = min(paid, coins)
        return from_paid, coins - from_paid
    from_bonus = min(bonus, coins)
    return coins - from_bonus, from_bonus


def lot_of(lots: Sequence[Lot], reference: str) -> Lot:
    """Return the lot that a recharge brought; raises BadJournal when there is none."""
    for lot in lots:
        if lot.reference == reference:
            return lot
    raise BadJournal(f"No lot was brought by {reference!r}.", reference=reference)


def newest_lots(lots: Sequence[Lot], purse: Purse, coins: int) -> list[tuple[Lot, int]]:
    """Return which lots give back `coins` when nobody says which: unspent coins, newest first.

    What is missing falls on the newest lots too, each up to the coins that it brought. Coins
    beyond those of all lots are left out.
    """
    newest = sorted(lots, key=lambda lot: lot.serials.start, reverse=True)
    left = min(coins, purse.balance)
    taken = []
    for lot in newest:
        unspent = sum(len(part) for part in purse.revocable(lot.serials, left))
        taken.append(unspent)
        left -= unspent
    missing = coins - sum(taken)
    parts = []
    for lot, unspent in zip(newest, taken, strict=True):
        short = min(missing, len(lot.serials) - unspent)
        missing -= short
        parts.append((lot, unspent + short))
    return [(lot, count) for lot, count in parts if count]


def real_cost(spent: SerialRange, lots: Sequence[Lot]) -> dict[str, int]:
    """Return the real money behind a spent range, per currency, in minor units.

    Void serials inside `spent` must have been removed by the caller. The costs of all ranges of a
    lot sum to its price, to the minor unit.
    """
    cost: dict[str, int] = {}
    for lot in lots:
        part = spent.overlap(lot.serials)
        if len(part):
            first = part.start - lot.serials.start
            minor = cumulative_part(lot.price_minor, first, first + len(part), len(lot.serials))
            cost[lot.currency] = cost.get(lot.currency, 0) + minor
    return cost
