"""The state machine of an order, one test row per state and word of the provider."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import get_args

import pytest

from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import OrderId
from largesse.recharge import rules
from largesse.recharge.ports import CheckoutState, CheckoutStatus
from largesse.recharge.rules import Move, OrderFacts, Status
from largesse.simulator.sandbox.rules import DECLINE_REASONS
from tests.recharge.counter import new_key

USD, JPY = asset("USD"), asset("JPY")
PRICE = Amount(999, USD)

TABLE = """
              open   pending    captured  declined  expired  refunded
  quoted      stay   authorize  credit    decline   expire   cancel
  authorized  stay   stay       credit    decline   expire   cancel
  declined    stay   stay       credit    stay      stay     cancel
  expired     stay   stay       credit    stay      stay     cancel
  captured    stay   stay       stay      stay      stay     cancel
  credited    stay   stay       stay      stay      stay     take_back
  refunded    stay   stay       stay      stay      stay     stay
"""


def rows_of_table():
    header, *lines = [line.split() for line in TABLE.strip().splitlines()]
    return [
        (Status(name), word, Move(move))
        for name, *moves in lines
        for word, move in zip(header, moves, strict=True)
    ]


def facts(status: Status, **other) -> OrderFacts:
    return OrderFacts(
        **{"public_id": "rch_1", "checkout_id": "chk_1", "status": status, "amount": PRICE, **other}
    )


def word(status: CheckoutStatus, **other) -> CheckoutState:
    charge = "chg_1" if status in ("captured", "refunded") else None
    return CheckoutState(
        **{
            "id": "chk_1",
            "order": "rch_1",
            "status": status,
            "charge_id": charge,
            "amount": PRICE,
            "decline_code": None,
            **other,
        }
    )


@pytest.mark.parametrize(("status", "said", "move"), rows_of_table())
def test_the_table_of_moves(status, said, move):
    assert rules.decide(facts(status), word(said)).move is move


def test_the_table_is_total():
    assert {(row[0], row[1]) for row in rows_of_table()} == set(
        product(Status, get_args(CheckoutStatus))
    )


@pytest.mark.parametrize(
    ("order", "said", "reason"),
    [
        ({}, {"amount": Amount(1, USD)}, "Captured 1, ordered 999 minor units."),
        ({}, {"amount": Amount(1000, USD)}, "Captured 1000, ordered 999 minor units."),
        ({}, {"amount": Amount(999, JPY)}, "Captured in JPY, ordered in USD."),
        ({}, {"order": "rch_2"}, "The provider answered about rch_2, chk_1."),
        ({}, {"id": "chk_2"}, "The provider answered about rch_1, chk_2."),
        ({}, {"charge_id": None}, "Captured without the number of a charge."),
        ({"charge_is_taken": True}, {}, "Charge chg_1 has paid another order."),
    ],
)
def test_what_does_not_fit_is_parked_with_its_reason(order, said, reason):
    decision = rules.decide(facts(Status.QUOTED, **order), word("captured", **said))
    assert (decision.move, decision.reason) == (Move.PARK, reason)


def test_a_parked_order_is_not_credited_but_can_be_refunded():
    parked = facts(Status.QUOTED, is_parked=True)
    assert rules.decide(parked, word("captured")).move is Move.STAY
    assert rules.decide(parked, word("refunded")).move is Move.CANCEL


def test_another_orders_state_parks_whatever_it_says():
    for said in get_args(CheckoutStatus):
        assert rules.decide(facts(Status.CREDITED), word(said, order="rch_9")).move is Move.PARK


def test_every_step_has_its_own_key_and_keeps_it():
    key = new_key()
    keys = {step: rules.step_key(OrderId(5), key, step) for step in rules.Step}
    assert len(set(keys.values())) == len(rules.Step)
    assert keys == {step: rules.step_key(OrderId(5), key, step) for step in rules.Step}
    assert rules.step_key(OrderId(6), key, rules.Step.CREDIT) != keys[rules.Step.CREDIT]
    assert all(made.version == 7 for made in keys.values())


@pytest.mark.parametrize(
    ("age_seconds", "wait_seconds"), [(0, 30), (60, 30), (400, 100), (10**6, 6 * 3600)]
)
def test_the_provider_is_asked_again_sooner_for_young_orders(age_seconds, wait_seconds):
    age = timedelta(seconds=age_seconds)
    assert rules.next_check(age) == timedelta(seconds=wait_seconds)


def test_notifications_are_tried_for_ever_at_growing_distances():
    waits = [rules.next_attempt(attempts) for attempts in (1, 2, 3, 20, 10**6)]
    assert waits[:3] == [timedelta(seconds=s) for s in (10, 20, 40)]
    assert waits[3:] == [timedelta(hours=1)] * 2


def test_every_decline_has_advice_and_suspicion_is_not_repeated():
    assert len(rules.DECLINES) == 12
    assert set(DECLINE_REASONS) == set(rules.DECLINES)
    for advice in rules.DECLINES.values():
        assert advice.title
        assert advice.next_step
    plain = rules.advice_on("refused_by_bank")
    for code in ("suspected_fraud", "lost_or_stolen", "a code of tomorrow"):
        assert rules.advice_on(code) == plain
