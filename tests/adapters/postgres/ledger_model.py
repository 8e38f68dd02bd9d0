"""What the ledger should be, as plain Python that knows every single coin.

Owns an independent account of the street for the model-based test. Must not use the product's
purses, rules, splits or SQL: two answers by one method would prove nothing. Invariant: it is so
simple that one can see that it is right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

State = Literal["unspent", "spent", "closed", "void"]


@dataclass(frozen=True)
class BoughtLot:
    """Coins bought together: what was paid, net of tax, and the tax, in minor units."""

    coins: int
    net: int
    tax: int
    currency: str

    def part(self, total: int, position: int) -> int:
        """The part of a total that one coin bears, such that all coins sum to the total."""
        return total * (position + 1) // self.coins - total * position // self.coins


@dataclass
class Coin:
    """One coin: its lot (None: bonus), its place in it, and what became of it."""

    lot: BoughtLot | None
    position: int
    state: State = "unspent"

    def cost(self) -> tuple[str, int]:
        """Currency and net price."""
        lot = self.lot
        return (lot.currency, lot.part(lot.net, self.position)) if lot else ("", 0)

    def tax(self, currency: str) -> int:
        lot = self.lot
        is_of = lot is not None and lot.currency == currency
        return lot.part(lot.tax, self.position) if lot and is_of else 0


@dataclass
class FanModel:
    """A fan: every coin ever issued to them, in order."""

    paid: list[Coin] = field(default_factory=list)
    bonus: list[Coin] = field(default_factory=list)
    debt: int = 0
    frozen: bool = False
    bonus_ranges: list[tuple[int, int]] = field(default_factory=list)

    @staticmethod
    def unspent(coins: list[Coin]) -> list[Coin]:
        return [coin for coin in coins if coin.state == "unspent"]

    @property
    def balance(self) -> int:
        return len(self.unspent(self.paid)) + len(self.unspent(self.bonus))

    @staticmethod
    def next_serial(coins: list[Coin]) -> int:
        """The serial after the last that was spent."""
        spent = [i for i, coin in enumerate(coins) if coin.state in ("spent", "closed")]
        return spent[-1] + 1 if spent else 0

    @staticmethod
    def void_serials(coins: list[Coin]) -> set[int]:
        return {i for i, coin in enumerate(coins) if coin.state == "void"}


@dataclass
class CreatorModel:
    """A creator: coins of gifts not rolled up and rolled up, and diamonds by state."""

    waiting_coins: int = 0
    credited_coins: int = 0
    issued: int = 0
    maturing: Counter[datetime] = field(default_factory=Counter)
    available: int = 0
    held: int = 0
    cashed: int = 0


class Street:
    """The whole street, and the platform's accounts as signed sums (credits positive)."""

    def __init__(self, fans: Iterable[int], creators: Iterable[int]) -> None:
        self.fans = {fan: FanModel() for fan in fans}
        self.creators = {creator: CreatorModel() for creator in creators}
        self.platform: Counter[tuple[str, str]] = Counter()

    def _book(self, account: str, asset: str, change: int) -> None:
        self.platform[account, asset] += change

    def recharge(self, fan: int, coins: int, price: int, tax: int, currency: str) -> None:
        lot = BoughtLot(coins, price - tax, tax, currency)
        self.fans[fan].paid += [Coin(lot, position) for position in range(coins)]
        self._book("issued", "COIN", -coins)
        self._book("provider_clearing", currency, -price)
        self._book("deferred_revenue", currency, price - tax)
        self._book("tax_payable", currency, tax)

    def grant(self, fan: int, coins: int) -> None:
        model = self.fans[fan]
        model.bonus_ranges.append((len(model.bonus), len(model.bonus) + coins))
        model.bonus += [Coin(None, position) for position in range(coins)]
        self._book("issued", "COIN", -coins)

    def give(self, fan: int, creator: int, coins: int) -> tuple[str, int, int]:
        """Decide a new gift: (outcome, bonus coins in it, balance after it)."""
        model = self.fans[fan]
        if model.debt or model.frozen:
            return "blocked", 0, model.balance
        if coins > model.balance:
            return "insufficient", 0, model.balance
        taken = [*model.unspent(model.bonus), *model.unspent(model.paid)][:coins]
        for coin in taken:
            coin.state = "spent"
        self.creators[creator].waiting_coins += coins
        self._book("gift_clearing", "COIN", coins)
        return "posted", sum(coin.lot is None for coin in taken), model.balance

    def refund(self, fan: int, coins: int, minor: int, currency: str) -> None:
        """Take coins back, newest first; what is missing becomes a debt."""
        model = self.fans[fan]
        taken = model.unspent(model.paid)[::-1][:coins]
        deferred = self._void(taken)
        model.debt += coins - len(taken)
        self._book("revoked", "COIN", coins)
        self._book("provider_clearing", currency, minor)
        net = min(deferred[currency], minor)
        tax = min(sum(coin.tax(currency) for coin in taken), minor - net)
        self._book("tax_payable", currency, -tax)
        self._book("loss", currency, net + tax - minor)
        deferred[currency] -= net
        self._book("deferred_revenue", currency, -net)
        self._lessen_loss(deferred)

    def repay(self, fan: int) -> None:
        model = self.fans[fan]
        taken = model.unspent(model.paid)[: model.debt]
        model.debt -= len(taken)
        self._lessen_loss(self._void(taken))

    def expire(self, fan: int, start: int, stop: int) -> int:
        lapsed = [c for c in self.fans[fan].bonus[start:stop] if c.state == "unspent"]
        self._void(lapsed)
        self._book("expired", "COIN", len(lapsed))
        return len(lapsed)

    def _void(self, coins: list[Coin]) -> defaultdict[str, int]:
        cost: defaultdict[str, int] = defaultdict(int)
        for coin in coins:
            coin.state = "void"
            currency, minor = coin.cost()
            cost[currency] += minor
        return cost

    def _lessen_loss(self, cost: dict[str, int]) -> None:
        for currency, minor in cost.items():
            self._book("deferred_revenue", currency, -minor)
            self._book("loss", currency, minor)

    def close(self, fans: Iterable[int]) -> dict[str, int]:
        """Deliver what was spent and not closed, coin by coin; returns money per currency."""
        earned: defaultdict[str, int] = defaultdict(int)
        for fan in fans:
            for coin in self.fans[fan].paid:
                if coin.state == "spent":
                    coin.state = "closed"
                    currency, minor = coin.cost()
                    earned[currency] += minor
        for currency, minor in earned.items():
            self._book("deferred_revenue", currency, -minor)
            self._book("revenue", currency, minor)
        return {currency: minor for currency, minor in earned.items() if minor}

    def roll_up(self, release: datetime) -> tuple[int, int]:
        """Credit every creator with half of all coins ever received; (coins, diamonds)."""
        coins = diamonds = 0
        for model in self.creators.values():
            coins += model.waiting_coins
            model.credited_coins += model.waiting_coins
            self._book("gift_clearing", "COIN", -model.waiting_coins)
            self._book("redeemed", "COIN", model.waiting_coins)
            model.waiting_coins = 0
            new = model.credited_coins // 2 - model.issued
            model.issued += new
            diamonds += new
            if new:
                model.maturing[release] += new
            self._book("diamond_issued", "DIAMOND", -new)
        return coins, diamonds

    def mature(self, creator: int, now: datetime) -> int:
        model = self.creators[creator]
        due = sum(count for release, count in model.maturing.items() if release <= now)
        model.maturing = Counter({r: count for r, count in model.maturing.items() if r > now})
        model.available += due
        return due

    def settle(self, creator: int, diamonds: int, gross: int, fee: int) -> None:
        self.creators[creator].held -= diamonds
        self.creators[creator].cashed += diamonds
        self._pay(diamonds, gross, fee)

    def bounce(self, creator: int, diamonds: int, gross: int, fee: int) -> None:
        self.creators[creator].cashed -= diamonds
        self.creators[creator].available += diamonds
        self._pay(-diamonds, -gross, -fee)

    def _pay(self, diamonds: int, gross: int, fee: int) -> None:
        self._book("diamond_cashed", "DIAMOND", diamonds)
        self._book("creator_payable", "USD", -gross)
        self._book("payout_fees", "USD", fee)
        self._book("bank", "USD", gross - fee)
