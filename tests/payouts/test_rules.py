"""The state machine of payouts as a table, its order, the pre-flight and the words."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise, product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.earnings.rules import SharePolicy
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import PayoutId
from largesse.payouts import rules
from largesse.payouts.errors import PayoutRefused
from largesse.payouts.ports import TransferState
from largesse.payouts.rules import Answer, Effect, Fault, Obstacle, Status

POLICY = SharePolicy(1, "share-2026-11", 5_000, 7, "USD", 9_980, 600, 500)
KEY = UUID("019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21")
USD = asset("USD")
ALL = list(product(Status, Answer))
RANK = {
    Status.REQUESTED: 0,
    Status.UNKNOWN: 1,
    Status.SENT: 2,
    Status.SETTLED: 3,
    Status.RETURNED: 4,
}
ENDS = {"settled": Status.SETTLED, "returned": Status.RETURNED, "declined": Status.RETURNED}


@pytest.mark.parametrize(("status", "answer"), ALL)
def test_every_answer_has_a_meaning_and_none_moves_back(status: Status, answer: Answer) -> None:
    after, _ = rules.decide(status, answer)
    assert RANK[after] >= RANK[status]


@pytest.mark.parametrize(("status", "answer"), ALL)
def test_diamonds_leave_held_exactly_when_an_open_payout_ends(
    status: Status, answer: Answer
) -> None:
    after, effect = rules.decide(status, answer)
    ended = status in rules.OPEN and after not in rules.OPEN
    assert ended == (effect in (Effect.CASH, Effect.GIVE_BACK))
    assert (effect is Effect.BOUNCE) == (status is Status.SETTLED and after is Status.RETURNED)
    if effect is Effect.PARK:
        assert after is status


@pytest.mark.parametrize("status", rules.OPEN)
@pytest.mark.parametrize("answer", [Answer.UNAVAILABLE, Answer.UNKNOWN])
def test_a_failed_call_never_ends_a_payout(status: Status, answer: Answer) -> None:
    after, effect = rules.decide(status, answer)
    assert (after in rules.OPEN, effect) == (True, Effect.NONE)


@given(answers=st.lists(st.sampled_from(list(Answer)), max_size=12))
def test_any_sequence_of_answers_cashes_at_most_once_and_balances(answers: list[Answer]) -> None:
    status = Status.REQUESTED
    held, cashed = 1, 0
    for answer in answers:
        status, effect = rules.decide(status, answer)
        held -= effect in (Effect.CASH, Effect.GIVE_BACK)
        cashed += (effect is Effect.CASH) - (effect is Effect.BOUNCE)
        assert held in (0, 1)
        assert cashed in (0, 1)
    assert held == (status in rules.OPEN)
    assert cashed == (status is Status.SETTLED)


@pytest.mark.parametrize("answer", sorted(ENDS))
@pytest.mark.parametrize("status", [Status.REQUESTED, Status.UNKNOWN])
def test_a_decision_of_the_provider_ends_it(status: Status, answer: str) -> None:
    assert rules.decide(status, Answer(answer))[0] is ENDS[answer]


def state(**changes: object) -> TransferState:
    fields = {
        "id": "tr_1",
        "payout": "pay_a",
        "status": "settled",
        "amount": Amount(975, USD),
        "reason": None,
    }
    return TransferState(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "known_transfer", "fault"),
    [
        ({}, None, None),
        ({}, "tr_1", None),
        ({"payout": "pay_b"}, None, Fault.OTHER_ATTEMPT),
        ({}, "tr_0", Fault.OTHER_ATTEMPT),
        ({"amount": Amount(97_500, USD)}, "tr_1", Fault.MISMATCH),
        ({"amount": Amount(975, asset("EUR"))}, "tr_1", Fault.MISMATCH),
        ({"amount": Amount(0, USD)}, None, Fault.MISMATCH),
        ({"id": "tr_10"}, "tr_1", Fault.OTHER_ATTEMPT),
    ],
)
def test_only_the_answer_to_this_very_transfer_counts(
    changes: dict[str, object], known_transfer: str | None, fault: Fault | None
) -> None:
    found = rules.fault_of(
        state(**changes), payout="pay_a", transfer_id=known_transfer, net=Amount(975, USD)
    )
    assert found is fault


@given(asked=st.integers(0, 10**9), available=st.integers(0, 10**9))
def test_a_quote_accounts_for_every_diamond_and_unit(asked: int, available: int) -> None:
    offer = rules.quote(asked, available, POLICY)
    assert offer.used + offer.left == available
    assert offer.used <= asked
    assert offer.net + offer.fee == offer.gross


@pytest.mark.parametrize(
    ("available", "has_destination", "frozen", "found"),
    [
        (2_000, True, False, []),
        (2_000, False, False, [Obstacle.NO_DESTINATION]),
        (0, True, False, [Obstacle.NOTHING_AVAILABLE]),
        (1_122, True, False, [Obstacle.BELOW_MINIMUM]),
        (1_123, True, False, []),
        (2_000, True, True, [Obstacle.FROZEN]),
        (0, False, True, [Obstacle.FROZEN, Obstacle.NO_DESTINATION, Obstacle.NOTHING_AVAILABLE]),
    ],
)
def test_the_preflight_names_every_obstacle(
    available: int, has_destination: bool, frozen: bool, found: list[Obstacle]
) -> None:
    offer = rules.quote(available, available, POLICY)
    obstacles = rules.preflight(
        offer, available=available, has_destination=has_destination, frozen=frozen
    )
    assert obstacles == found
    assert (rules.first_advice(obstacles) is None) == (not found)


def test_a_currency_without_terms_is_refused() -> None:
    with pytest.raises(PayoutRefused):
        rules.terms_for("KWD")


def test_every_status_and_obstacle_says_why_and_what_next() -> None:
    for status in Status:
        advice = rules.explain(status, "")
        assert advice.why
        assert advice.next_step
    assert set(rules.OBSTACLES) == set(Obstacle)
    assert "closed" in rules.explain(Status.RETURNED, rules.reason_code("Account  closed")).why
    assert rules.explain(Status.RETURNED, "never heard of").why


def test_each_step_has_its_own_stable_journal() -> None:
    payout = PayoutId(7)
    ids = {step: rules.journal_id(payout, KEY, step) for step in rules.Step}
    assert len(set(ids.values())) == len(rules.Step)
    assert ids == {step: rules.journal_id(payout, KEY, step) for step in rules.Step}
    assert rules.journal_id(PayoutId(8), KEY, rules.Step.SETTLED) not in ids.values()


def test_the_sweep_waits_longer_and_longer_but_never_gives_up() -> None:
    waits = [rules.wait_after(attempts) for attempts in range(50)]
    assert all(earlier <= later for earlier, later in pairwise(waits))
    assert waits[-1] == timedelta(hours=6)


@pytest.mark.parametrize(
    ("account", "is_valid"),
    [
        ("DE89370400440532013000", True),
        ("GB82WEST12345698765432", True),
        ("NO9386011117947", True),
        ("DE89370400440532013001", False),
        ("de89370400440532013000", False),
        ("DE8937040044053201300", False),
        ("", False),
        ("DE89370400440532013000\u0660", False),
    ],
)
def test_an_iban_is_known_by_its_checksum(account: str, is_valid: bool) -> None:
    assert rules.is_iban(account) is is_valid


def test_an_account_is_shown_by_its_last_four_only() -> None:
    assert rules.masked("DE89370400440532013000") == "DE •••• 3000"
    assert rules.masked("sandbox-SLOW") == "•••• SLOW"
