"""Refunds, repayments and expiries: exactly the serials that they are about, and their money."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.ledger.accounts import Account
from largesse.ledger.errors import BadJournal
from largesse.ledger.lots import Lot, Purse, SerialRange
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from tests.ledger.test_rules import LOTS, debt_repaid, lines, refund, usd

PURSES = st.integers(0, 199).flatmap(
    lambda spent: st.tuples(st.just(spent), st.lists(st.integers(spent, 199), max_size=4))
)


def purse_of(spent: int, void: list[int]) -> Purse:
    purse = Purse(200, spent)
    for serial in set(void):
        purse = purse.revoke(SerialRange(serial, serial + 1))
    return purse


def deferred(purse: Purse) -> dict[str, int]:
    """What was paid for the unspent coins of a purse, net of tax, by an independent count."""
    left: dict[str, int] = {}
    for lot in LOTS:
        net, size = lot.price_minor - lot.tax_minor, len(lot.serials)
        for live in purse.unspent():
            for serial in range(live.start, live.stop):
                if lot.serials.start <= serial < lot.serials.stop:
                    at = serial - lot.serials.start
                    cost = net * (at + 1) // size - net * at // size
                    left[lot.currency] = left.get(lot.currency, 0) + cost
    return left


@given(PURSES, st.sampled_from(LOTS), st.integers(1, 100), st.integers(0, 3000))
def test_a_refund_touches_its_own_lot_and_releases_exactly_what_its_coins_had_cost(
    start: tuple[int, list[int]], lot: Lot, coins: int, minor: int
) -> None:
    purse = purse_of(*start)
    made = refund(purse, coins, Amount(minor, asset(lot.currency)), lot)
    own = [s for part in purse.unspent() for s in range(part.start, part.stop)]
    own = [s for s in own if lot.serials.start <= s < lot.serials.stop]
    taken = sorted(s for v in made.voids for s in range(v.serials.start, v.serials.stop))
    assert taken == own[-coins:]
    after = purse
    for void in made.voids:
        after = after.revoke(void.serials)
    returned: dict[str, int] = {}
    released = dict(deferred(after))
    for debit, credit, code, amount in lines(made.transfers):
        if credit == "provider_clearing":
            returned[code] = returned.get(code, 0) + amount
        if debit == "deferred_revenue":
            released[code] = released.get(code, 0) + amount
    assert returned == ({lot.currency: minor} if minor else {})
    assert {code: value for code, value in released.items() if value} == {
        code: value for code, value in deferred(purse).items() if value
    }
    assert -made.change(Account.FAN_PAID) == len(taken)
    assert -made.change(Account.FAN_DEBT) == coins - len(taken)
    assert made.change(Account.REVOKED) == coins
    assert made.reference == lot.reference


@given(PURSES, st.sampled_from(LOTS))
def test_a_whole_refund_costs_exactly_what_the_spent_coins_had_cost(
    start: tuple[int, list[int]], lot: Lot
) -> None:
    purse = purse_of(*start)
    made = refund(purse, 100, Amount(lot.price_minor, asset(lot.currency)), lot)
    left = {(debit, credit): amount for debit, credit, _, amount in lines(made.transfers)}
    kept = [s for v in made.voids for s in range(v.serials.start, v.serials.stop)]

    def cost(total: int) -> int:
        at = [s - lot.serials.start for s in kept]
        return sum(total * (i + 1) // 100 - total * i // 100 for i in at)

    net, tax = cost(lot.price_minor - lot.tax_minor), cost(lot.tax_minor)
    assert left.get(("deferred_revenue", "provider_clearing"), 0) == net
    assert left.get(("tax_payable", "provider_clearing"), 0) == tax
    assert left.get(("loss", "provider_clearing"), 0) == lot.price_minor - net - tax
    assert ("deferred_revenue", "loss") not in left


def test_a_lot_gives_back_no_more_coins_than_it_brought() -> None:
    with pytest.raises(BadJournal):
        refund(Purse(200, 0), 101, usd(1000))


def test_coins_that_are_held_are_neither_taken_back_nor_set_against_a_debt() -> None:
    held = Purse(100, 0, (), 70)
    assert -refund(held, 100, usd(1000)).change(Account.FAN_PAID) == 30
    repaid = debt_repaid(held, 50)
    assert repaid is not None
    assert repaid.change(Account.FAN_DEBT) == 30


@given(PURSES, st.integers(1, 300))
def test_a_debt_is_repaid_with_the_oldest_coins_and_no_more(
    start: tuple[int, list[int]], debt: int
) -> None:
    purse = purse_of(*start)
    made = debt_repaid(purse, debt)
    if made is None:
        assert purse.balance == 0
        return
    assert made.change(Account.FAN_DEBT) == min(debt, purse.balance)
    _, oldest = purse.take(min(debt, purse.balance))
    assert made.voids[-1].serials.stop == oldest.stop
    after = purse
    for void in made.voids:
        after = after.revoke(void.serials)
    released = dict(deferred(after))
    for debit, _, code, amount in lines(made.transfers):
        if debit == "deferred_revenue":
            released[code] = released.get(code, 0) + amount
    assert {code: value for code, value in released.items() if value} == {
        code: value for code, value in deferred(purse).items() if value
    }
