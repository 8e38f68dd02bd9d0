"""Serials: issued once, spent once or void once, and their money adds up to the price."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from largesse.ledger.errors import BadJournal, InsufficientBalance
from largesse.ledger.lots import Lot, Purse, SerialRange, real_cost, spend_bonus_first

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

    @rule(count=st.integers(0, 120))
    def revoke_newest(self, count: int) -> None:
        for serials in self.purse.newest_unspent(count):
            self.purse = self.purse.revoke(serials)
        for serial in reversed(range(len(self.serials))):
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


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_bonus_coins_are_spent_first(paid: int, bonus: int, coins: int) -> None:
    from_paid, from_bonus = spend_bonus_first(paid, bonus, coins)
    assert from_paid + from_bonus == coins
    assert from_bonus <= bonus
    assert from_paid == 0 or from_bonus == bonus


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


def test_a_refund_takes_the_newest_coins_and_steps_over_void_ones() -> None:
    purse = Purse(20, 5, (SerialRange(8, 10), SerialRange(15, 16)))
    assert purse.newest_unspent(6) == [SerialRange(16, 20), SerialRange(13, 15)]
    assert purse.newest_unspent(99) == [
        SerialRange(16, 20),
        SerialRange(10, 15),
        SerialRange(5, 8),
    ]
    assert purse.newest_unspent(0) == []
