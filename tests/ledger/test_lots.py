"""Serials: issued once, spent once or void once, and their money adds up to the price."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from largesse.ledger.errors import BadJournal, InsufficientBalance
from largesse.ledger.lots import (
    Lot,
    Purse,
    SerialRange,
    SpendOrder,
    lot_of,
    newest_lots,
    real_cost,
    spend,
)

COUNTS = st.integers(1, 50)


class PurseMachine(RuleBasedStateMachine):
    """A purse beside a plain list that says of each serial: unspent, spent or void."""

    def __init__(self) -> None:
        super().__init__()
        self.purse = Purse()
        self.serials: list[str] = []

    @rule(count=COUNTS)
    def issue(self, count: int) -> None:
        self.purse, lot = self.purse.issue(count)
        assert lot == SerialRange(len(self.serials), len(self.serials) + count)
        self.serials += ["unspent"] * count

    @rule(count=st.integers(0, 120))
    def take(self, count: int) -> None:
        left = self.serials.count("unspent")
        if count > left:
            with pytest.raises(InsufficientBalance) as caught:
                self.purse.take(count)
            assert caught.value.data == {"shortfall": count - left}
            return
        self.purse, spent = self.purse.take(count)
        taken = 0
        for serial in range(spent.start, spent.stop):
            if self.serials[serial] == "unspent":
                self.serials[serial] = "spent"
                taken += 1
        assert taken == count
        assert spent.stop == self.purse.next

    @rule(start=st.integers(0, 200), count=COUNTS)
    def revoke(self, start: int, count: int) -> None:
        wanted = self.serials[start : start + count]
        serials = SerialRange(start, start + count)
        if len(wanted) < count or set(wanted) != {"unspent"}:
            with pytest.raises(BadJournal):
                self.purse.revoke(serials)
            return
        self.purse = self.purse.revoke(serials)
        self.serials[start : start + count] = ["void"] * count

    @rule(start=st.integers(0, 200), length=COUNTS, count=st.integers(0, 120))
    def revoke_newest_inside(self, start: int, length: int, count: int) -> None:
        inside = SerialRange(start, start + length)
        for serials in self.purse.revocable(inside, count):
            self.purse = self.purse.revoke(serials)
        for serial in reversed(range(start, min(inside.stop, len(self.serials)))):
            if count and self.serials[serial] == "unspent":
                self.serials[serial] = "void"
                count -= 1

    @invariant()
    def purse_agrees_with_the_list(self) -> None:
        unspent = [i for i, state in enumerate(self.serials) if state == "unspent"]
        assert self.purse.balance == len(unspent)
        assert self.purse.issued == len(self.serials)
        covered = [i for live in self.purse.unspent() for i in range(live.start, live.stop)]
        assert covered == unspent


TestPurse = PurseMachine.TestCase
TestPurse.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@given(
    st.lists(st.tuples(COUNTS, st.integers(0, 10**6), st.sampled_from(["USD", "EUR"])), min_size=1),
    st.data(),
)
def test_costs_of_all_ranges_sum_to_what_was_paid(
    bought: list[tuple[int, int, str]], data: st.DataObject
) -> None:
    lots, position = [], 0
    for coins, price, currency in bought:
        lots.append(Lot(SerialRange(position, position + coins), price, 0, currency))
        position += coins
    cuts = sorted({0, position, *data.draw(st.lists(st.integers(0, position), max_size=8))})
    total: dict[str, int] = {}
    for start, stop in pairwise(cuts):
        for currency, minor in real_cost(SerialRange(start, stop), lots).items():
            assert minor >= 0
            total[currency] = total.get(currency, 0) + minor
    paid: dict[str, int] = {}
    for _, price, currency in bought:
        paid[currency] = paid.get(currency, 0) + price
    assert total == paid


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.sampled_from(SpendOrder),
)
def test_a_class_is_touched_only_when_the_one_before_it_is_used_up(
    paid: int, bonus: int, coins: int, order: SpendOrder
) -> None:
    coins = min(coins, paid + bonus)
    from_paid, from_bonus = spend(paid, bonus, coins, order)
    assert from_paid + from_bonus == coins
    assert 0 <= from_bonus <= bonus
    assert 0 <= from_paid <= paid
    if order is SpendOrder.BONUS_FIRST:
        assert from_paid == 0 or from_bonus == bonus
    else:
        assert from_bonus == 0 or from_paid == paid


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [((0, 5), (3, 9), 2), ((3, 9), (0, 5), 2), ((0, 5), (5, 9), 0), ((0, 9), (3, 4), 1)],
)
def test_overlap(one: tuple[int, int], other: tuple[int, int], length: int) -> None:
    assert len(SerialRange(*one).overlap(SerialRange(*other))) == length


@pytest.mark.parametrize("count", [0, -1])
def test_a_lot_has_coins(count: int) -> None:
    with pytest.raises(BadJournal):
        Purse().issue(count)


def test_a_refund_takes_the_newest_coins_of_its_lot_and_steps_over_void_ones() -> None:
    purse = Purse(20, 5, (SerialRange(8, 10), SerialRange(15, 16)))
    everything = SerialRange(0, 20)
    assert purse.revocable(everything, 6) == [SerialRange(16, 20), SerialRange(13, 15)]
    assert purse.revocable(everything, 99) == [
        SerialRange(16, 20),
        SerialRange(10, 15),
        SerialRange(5, 8),
    ]
    assert purse.revocable(SerialRange(7, 14), 3) == [SerialRange(11, 14)]
    assert purse.revocable(SerialRange(7, 14), 9) == [SerialRange(10, 14), SerialRange(7, 8)]
    assert purse.revocable(SerialRange(0, 5), 9) == []
    assert purse.revocable(everything, 0) == []


def test_what_is_held_is_not_revocable() -> None:
    purse = Purse(20, 5, (), 12)
    assert purse.revocable(SerialRange(0, 20), 9) == [SerialRange(17, 20)]


LOTS = [Lot(SerialRange(10 * i, 10 * i + 10), 100, 0, "USD", name) for i, name in enumerate("abc")]


@given(st.integers(0, 30), st.integers(0, 40))
def test_coins_back_of_no_named_lot_are_the_newest_unspent_ones(spent: int, coins: int) -> None:
    purse = Purse(30, spent)
    parts = newest_lots(LOTS, purse, coins)
    assert sum(count for _, count in parts) == min(coins, 30)
    assert all(0 < count <= 10 for _, count in parts)
    taken = {
        serial
        for lot, count in parts
        for part in purse.revocable(lot.serials, count)
        for serial in range(part.start, part.stop)
    }
    assert taken == set(range(max(spent, 30 - coins), 30))


def test_a_lot_is_found_by_its_reference() -> None:
    assert lot_of(LOTS, "b") is LOTS[1]
    with pytest.raises(BadJournal):
        lot_of(LOTS, "d")
