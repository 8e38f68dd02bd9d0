"""Provenance: exact costs, exact sides of a chargeback, and nothing lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from largesse.ledger.errors import InsufficientBalance
from largesse.ledger.lots import CoinClass, Lot, Purse, SerialRange, SpendOrder, spend
from largesse.ledger.ports import WalletState
from largesse.ledger.provenance import (
    Cashed,
    Spent,
    cost_of,
    funded_by,
    live_serials,
    payouts_of,
    pieces,
    quote_gift,
    use_of,
)
from largesse.money.ids import HolderId

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
FAN = HolderId(5)


def test_spent_serials_leave_out_void_ones_and_cost_what_their_lots_did() -> None:
    voids = [SerialRange(0, 2), SerialRange(10, 20), SerialRange(27, 30)]
    live = live_serials(SerialRange(5, 25), voids)
    assert live == (SerialRange(5, 10), SerialRange(20, 25))
    assert live_serials(SerialRange(5, 5), voids) == ()
    lots = [
        Lot(SerialRange(0, 20), 100, 0, "USD", "a"),
        Lot(SerialRange(20, 40), 40, 0, "EUR", "b"),
    ]
    assert cost_of(live, lots) == {"USD": 25, "EUR": 10}


# -- A fan's life, coin by coin ------------------------------------------------------------------

ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.integers(1, 30), st.integers(0, 400)),
        st.tuples(st.just("grant"), st.integers(1, 9), st.just(0)),
        st.tuples(st.just("give"), st.integers(1, 25), st.just(0)),
        st.tuples(st.just("order"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("refund"), st.integers(0, 9), st.integers(1, 30)),
    ),
    max_size=30,
)


class Life:
    """A fan who buys, gives and is refunded, with every paid serial's fate in a plain list."""

    def __init__(self) -> None:
        self.wallet = WalletState(FAN, Purse(), Purse(), 0, False)
        self.lots: list[Lot] = []
        self.gifts: list[Spent] = []
        self.fate: list[str] = []
        self.quoted: list[dict[str, int]] = []

    def act(self, name: str, number: int, more: int) -> None:
        getattr(self, name)(number, more)

    def buy(self, coins: int, price: int) -> None:
        purse, serials = self.wallet.paid.issue(coins)
        currency = "USD" if price % 2 else "JPY"
        self.lots.append(Lot(serials, price, price // 7, currency, f"rch_{len(self.lots)}"))
        self.fate += ["unspent"] * coins
        self.wallet = replace(self.wallet, paid=purse)

    def grant(self, coins: int, _: int) -> None:
        self.wallet = replace(self.wallet, bonus=self.wallet.bonus.issue(coins)[0])

    def order(self, number: int, _: int) -> None:
        self.wallet = replace(self.wallet, order=list(SpendOrder)[number])

    def give(self, coins: int, _: int) -> None:
        wallet = self.wallet
        if coins > wallet.spendable:
            with pytest.raises(InsufficientBalance) as caught:
                quote_gift(wallet, self.lots, coins)
            assert caught.value.data["shortfall"] == coins - wallet.spendable
            return
        quote = quote_gift(wallet, self.lots, coins)
        self.quoted.append(dict(quote.cost))
        paid, bonus = spend(wallet.paid.balance, wallet.bonus.balance, coins, wallet.order)
        assert (quote.paid, quote.bonus) == (paid, bonus)
        from_paid, taken = wallet.paid.take(paid)
        from_bonus, free = wallet.bonus.take(bonus)
        number = len(self.gifts)
        for serial in range(taken.start, taken.stop):
            if self.fate[serial] == "unspent":
                self.fate[serial] = f"gift {number}"
        self.gifts.append(Spent(number, AT, HolderId(1000 + number % 3), coins, taken, free))
        self.wallet = replace(wallet, paid=from_paid, bonus=from_bonus)

    def refund(self, pick: int, coins: int) -> None:
        if not self.lots:
            return
        lot = self.lots[pick % len(self.lots)]
        for part in self.wallet.paid.revocable(lot.serials, coins):
            self.wallet = replace(self.wallet, paid=self.wallet.paid.revoke(part))
            self.fate[part.start : part.stop] = ["void"] * len(part)

    def cost(self, fate: str) -> dict[str, int]:
        """What the serials of one fate had cost, counted one by one."""
        found: dict[str, int] = {}
        for lot in self.lots:
            size = len(lot.serials)
            for at in range(size):
                if self.fate[lot.serials.start + at] == fate:
                    part = lot.price_minor * (at + 1) // size - lot.price_minor * at // size
                    found[lot.currency] = found.get(lot.currency, 0) + part
        return {code: minor for code, minor in found.items() if minor}


def live_of(life: Life, gift: Spent) -> tuple[SerialRange, ...]:
    return live_serials(gift.paid, life.wallet.paid.voids)


def without_zeros(cost: dict[str, int]) -> dict[str, int]:
    return {code: minor for code, minor in cost.items() if minor}


@given(ACTS)
@settings(max_examples=300, deadline=None)
def test_gifts_voids_and_what_is_left_cost_what_was_paid(acts: list[tuple[str, int, int]]) -> None:
    life = Life()
    for act in acts:
        life.act(*act)
    total: dict[str, int] = {}
    for gift, quoted in zip(life.gifts, life.quoted, strict=True):
        cost = without_zeros(cost_of(live_of(life, gift), life.lots))
        assert cost == life.cost(f"gift {gift.seq}")
        assert without_zeros(quoted) == cost, "a gift costs what its quote said"
        for code, minor in cost.items():
            total[code] = total.get(code, 0) + minor
    for fate in ("void", "unspent"):
        for code, minor in life.cost(fate).items():
            total[code] = total.get(code, 0) + minor
    paid: dict[str, int] = {}
    for lot in life.lots:
        paid[lot.currency] = paid.get(lot.currency, 0) + lot.price_minor
    assert total == without_zeros(paid)


@given(ACTS)
@settings(max_examples=300, deadline=None)
def test_a_lot_names_exactly_the_gifts_that_it_funded(acts: list[tuple[str, int, int]]) -> None:
    life = Life()
    for act in acts:
        life.act(*act)
    for lot in life.lots:
        own = life.fate[lot.serials.start : lot.serials.stop]
        found = list(funded_by(lot, CoinClass.PAID, life.gifts, life.wallet.paid.voids))
        assert {f"gift {one.gift.seq}": one.coins for one in found} == {
            fate: own.count(fate) for fate in own if fate.startswith("gift")
        }
        use = use_of(lot, life.wallet.paid)
        assert use.spent == sum(one.coins for one in found)
        assert use.spent_minor == sum(one.minor for one in found)
        assert (use.void, use.unspent) == (own.count("void"), own.count("unspent"))
        assert use.spent_minor + use.void_minor + use.unspent_minor == lot.price_minor


@given(ACTS)
@settings(max_examples=200, deadline=None)
def test_both_ways_tell_the_same(acts: list[tuple[str, int, int]]) -> None:
    life = Life()
    for act in acts:
        life.act(*act)
    voids = life.wallet.paid.voids
    forth = {
        (lot.reference, one.gift.seq, one.coins, one.minor)
        for lot in life.lots
        for one in funded_by(lot, CoinClass.PAID, life.gifts, voids)
    }
    back = {
        (piece.lot.reference, gift.seq, piece.coins, piece.minor)
        for gift in life.gifts
        for piece in pieces(live_of(life, gift), life.lots)
    }
    assert forth == back


def test_what_blocks_a_gift_blocks_its_quote() -> None:
    lots = [Lot(SerialRange(0, 10), 99, 0, "USD", "a")]
    wallet = WalletState(FAN, Purse(10, 0, (), 4), Purse(), 0, False)
    assert quote_gift(wallet, lots, 6).cost == {"USD": 59}
    for blocked, coins in ((wallet, 7), (replace(wallet, debt=1), 1)):
        with pytest.raises(InsufficientBalance):
            quote_gift(blocked, lots, coins)


def test_payouts_take_diamonds_first_in_first_out() -> None:
    payouts = [Cashed("pay_1", 10, "settled"), Cashed("pay_2", 5, "held")]
    assert payouts_of(0, 4, payouts) == [Cashed("pay_1", 4, "settled")]
    assert payouts_of(8, 13, payouts) == [Cashed("pay_1", 2, "settled"), Cashed("pay_2", 3, "held")]
    assert payouts_of(15, 20, payouts) == []
    assert payouts_of(3, 3, payouts) == []
