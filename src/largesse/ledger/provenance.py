"""Provenance: from a payment to the gifts it paid for and on to payouts, and all the way back.

Owns which lots a gift drew on and what each part of it had really cost, what became of a lot, what
a gift would cost before it is given, and which payouts took the diamonds of an earning. Must not
know where rows are stored, or a language. Invariants: the spent, void and unspent coins of a lot
are its coins, and their costs sum to its price to the minor unit; a gift draws on a lot if and only
if one of its live serials is the lot's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from largesse.ledger.errors import InsufficientBalance
from largesse.ledger.lots import CoinClass, Lot, Purse, SerialRange, real_cost, spend
from largesse.ledger.ports import WalletState
from largesse.money.ids import HolderId

Cost = Mapping[str, int]
"""Minor units per currency, tax included."""


def live_serials(spent: SerialRange, voids: Sequence[SerialRange]) -> tuple[SerialRange, ...]:
    """Return the serials of a spent range without the void ones inside it."""
    inside = tuple(part for void in voids if len(part := void.overlap(spent)))
    return tuple(Purse(spent.stop, spent.start, inside).unspent())


def cost_of(spent: Iterable[SerialRange], lots: Sequence[Lot]) -> dict[str, int]:
    """Return what live serials had cost: minor units per currency, tax included."""
    cost: dict[str, int] = {}
    for serials in spent:
        for currency, minor in real_cost(serials, lots).items():
            cost[currency] = cost.get(currency, 0) + minor
    return cost


@dataclass(frozen=True, slots=True)
class Piece:
    """Coins out of one lot, and what they had cost in minor units of the lot's currency."""

    lot: Lot
    coins: int
    minor: int


def pieces(live: Sequence[SerialRange], lots: Iterable[Lot]) -> list[Piece]:
    """Return what live serials of a class drew from each of its lots, in serial order."""
    found = []
    for lot in lots:
        own = [part for serials in live if len(part := serials.overlap(lot.serials))]
        if own:
            minor = sum(cost_of(own, [lot]).values())
            found.append(Piece(lot, sum(len(part) for part in own), minor))
    return found


# --- Before a gift -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quote:
    """What a gift would take: coins of each class, and what the paid ones had really cost."""

    paid: int
    bonus: int
    pieces: tuple[Piece, ...]
    cost: Cost


def quote_gift(wallet: WalletState, lots: Sequence[Lot], coins: int) -> Quote:
    """Return what a gift of `coins` would cost the fan, given now, out of the paid `lots`.

    Raises InsufficientBalance when it could not be given; `shortfall` says by how many coins.
    """
    if coins > wallet.spendable:
        missing = coins - wallet.spendable
        raise InsufficientBalance(f"{missing} coins are missing.", shortfall=missing)
    paid, bonus = spend(wallet.paid.balance, wallet.bonus.balance, coins, wallet.order)
    _, serials = wallet.paid.take(paid)
    live = live_serials(serials, wallet.paid.voids)
    return Quote(paid, bonus, tuple(pieces(live, lots)), cost_of(live, lots))


# --- From a lot to its gifts ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spent:
    """A gift as far as its coins go: where it stands in the fan's bucket, and the ranges it took.

    The ranges include void serials that were skipped.
    """

    seq: int
    at: datetime
    creator: HolderId
    coins: int
    paid: SerialRange
    bonus: SerialRange

    def serials(self, coin_class: CoinClass) -> SerialRange:
        """Return the range that it took of a class."""
        return self.paid if coin_class is CoinClass.PAID else self.bonus


@dataclass(frozen=True, slots=True)
class Funded:
    """A gift and what one lot gave to it: `coins` of it, which had cost `minor`."""

    gift: Spent
    coins: int
    minor: int


def funded_by(
    lot: Lot, coin_class: CoinClass, gifts: Iterable[Spent], voids: Sequence[SerialRange]
) -> Iterator[Funded]:
    """Yield exactly the gifts that drew on a lot: what a chargeback of it is about."""
    for gift in gifts:
        live = live_serials(gift.serials(coin_class), voids)
        for piece in pieces(live, [lot]):
            yield Funded(gift, piece.coins, piece.minor)


@dataclass(frozen=True, slots=True)
class LotUse:
    """What became of a lot's coins, and of the money paid for them (minor units, tax included)."""

    spent: int
    void: int
    unspent: int
    spent_minor: int
    void_minor: int
    unspent_minor: int


def use_of(lot: Lot, purse: Purse) -> LotUse:
    """Return what became of a lot, by its fan's purse of the lot's class."""
    unspent = [part for live in purse.unspent() if len(part := live.overlap(lot.serials))]
    void = [part for one in purse.voids if len(part := one.overlap(lot.serials))]
    coins = [sum(len(part) for part in parts) for parts in (void, unspent)]
    minor = [sum(cost_of(parts, [lot]).values()) for parts in (void, unspent)]
    return LotUse(
        spent=len(lot.serials) - sum(coins),
        void=coins[0],
        unspent=coins[1],
        spent_minor=lot.price_minor - sum(minor),
        void_minor=minor[0],
        unspent_minor=minor[1],
    )


# --- From an earning to payouts ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cashed:
    """Diamonds that a payout took out of what was available, or still holds."""

    reference: str
    diamonds: int
    state: str


def payouts_of(start: int, stop: int, payouts: Iterable[Cashed]) -> list[Cashed]:
    """Return which payouts took the diamonds `start` up to `stop` of all that a creator earned.

    `payouts` are those that were not returned, in the order of their requests: diamonds leave
    first in, first out. What no payout took is left out.
    """
    found, taken = [], 0
    for payout in payouts:
        begin, taken = taken, taken + payout.diamonds
        own = min(stop, taken) - max(start, begin)
        if own > 0:
            found.append(Cashed(payout.reference, own, payout.state))
    return found
