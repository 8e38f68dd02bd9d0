"""What coins really cost a fan: as words, as rows and as JSON.

Owns the sentence that stands beside a gift before and after it is given. Must not compute a cost:
`ledger.provenance` does. Invariant: every currency is shown by itself, to its minor unit, and bonus
coins are never said to have cost anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from largesse.adapters.postgres.provenance import GiftTrace
from largesse.ledger.errors import InsufficientBalance
from largesse.ledger.explain import plain
from largesse.ledger.lots import CoinClass, Lot
from largesse.ledger.ports import WalletState
from largesse.ledger.provenance import Cost, quote_gift
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.web.templatetags.money import show_count, show_minor


@dataclass(frozen=True, slots=True)
class GiftCost:
    """What a gift of `coins` cost, or would cost: real money for paid coins, none for the bonus."""

    coins: int
    bonus: int
    cost: tuple[Amount, ...]

    @property
    def money(self) -> str:
        """Return the real money, one amount per currency: $4.12 + €3.00; empty for nothing.

        Coins that cost less than a minor unit were not free: they are said to be under it.
        """
        return " + ".join(
            show_minor(one.minor, one.asset.code)
            if one.minor
            else _("under %(money)s") % {"money": show_minor(1, one.asset.code)}
            for one in self.cost
        )

    @property
    def words(self) -> str:
        """Return the cost as a sentence: 500 coins = $4.12 you paid, plus 60 bonus coins."""
        total = ngettext("%(n)s coin", "%(n)s coins", self.coins) % {"n": show_count(self.coins)}
        paid = _("%(money)s you paid") % {"money": self.money} if self.money else ""
        free = ngettext(
            "%(n)s bonus coin at no cost", "%(n)s bonus coins at no cost", self.bonus
        ) % {"n": show_count(self.bonus)}
        if self.bonus and self.coins > self.bonus:
            said = _("%(paid)s, plus %(free)s") % {"paid": paid or _("nothing paid"), "free": free}
        else:
            said = free if self.bonus else paid or _("nothing paid")
        return f"{total} = {said}"

    @property
    def document(self) -> dict[str, Any]:
        """Return the cost for machines; amounts in minor units."""
        return {
            "coins": self.coins,
            "paid": self.coins - self.bonus,
            "bonus": self.bonus,
            "cost": [{"minor": one.minor, "currency": one.asset.code} for one in self.cost],
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class Source:
    """One lot that paid for a gift: its reference and kind, the coins it gave, what they cost."""

    reference: str
    is_order: bool
    is_bonus: bool
    coins: int
    cost: Amount | None


def cost_of_coins(coins: int, bonus: int, cost: Cost) -> GiftCost:
    """Return a gift's cost with its currencies in order; zero is less than a minor unit."""
    amounts = [Amount(minor, asset(code)) for code, minor in sorted(cost.items()) if code]
    # Beside an amount of money, the little that another lot added is no news.
    shown = [amount for amount in amounts if amount.minor] or amounts
    return GiftCost(coins, bonus, tuple(shown))


def quote(wallet: WalletState, lots: list[Lot], coins: int) -> GiftCost | None:
    """Return what a gift would cost the fan now; None when the coins do not suffice."""
    try:
        found = quote_gift(wallet, lots, coins)
    except InsufficientBalance:
        return None
    return cost_of_coins(coins, found.bonus, found.cost)


def cost_of_gift(trace: GiftTrace) -> GiftCost:
    """Return what a gift cost, by the lots that paid for it."""
    cost: dict[str, int] = {}
    for row, piece in trace.sources:
        if row.coin_class is CoinClass.PAID:
            cost[piece.lot.currency] = cost.get(piece.lot.currency, 0) + piece.minor
    return cost_of_coins(trace.gift.coins, trace.gift.bonus, cost)


def sources_of(trace: GiftTrace) -> list[Source]:
    """Return the lots that paid for a gift, in the order of their coins."""
    return [
        Source(
            plain(row.lot.reference),
            row.lot.reference.startswith("rch_"),
            row.coin_class is CoinClass.BONUS,
            piece.coins,
            Amount(piece.minor, asset(piece.lot.currency)) if piece.lot.currency else None,
        )
        for row, piece in trace.sources
    ]


def source_documents(sources: Iterable[Source]) -> list[dict[str, Any]]:
    """Return sources for machines; amounts in minor units."""
    return [
        {
            "lot": one.reference,
            "bonus": one.is_bonus,
            "coins": one.coins,
            "minor": one.cost.minor if one.cost else 0,
            "currency": one.cost.asset.code if one.cost else "",
        }
        for one in sources
    ]
