"""What a hold reserves, and how one that has ended answers."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.ledger import rules
from largesse.ledger.accounts import Account, AccountRef
from largesse.ledger.errors import BadJournal, Fault, HoldResolved, UnknownHold
from largesse.ledger.holds import LONGEST_REASON, Hold, State, ended, held_gift
from largesse.ledger.journals import Event, Journal, Transfer
from largesse.ledger.lots import Lot, Purse, SerialRange
from largesse.money.amounts import Amount
from largesse.money.assets import COIN, DIAMOND, asset
from largesse.money.ids import HolderId, creator_bucket

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
END = AT + timedelta(seconds=5)
KEY = UUID("019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21")
FAN = HolderId(5)
USD = asset("USD")
PAID, BONUS = AccountRef(Account.FAN_PAID, FAN), AccountRef(Account.FAN_BONUS, FAN)
AVAILABLE = AccountRef(Account.CREATOR_AVAILABLE, FAN)
LOT = Lot(SerialRange(0, 10), 100, 10, "USD", "rch_1")
PAYMENT = rules.Payment(Amount(100, USD), Amount(10, USD), "web", "rch_1")

RESERVED: dict[str, tuple[Journal, dict[tuple[AccountRef, object], int]]] = {
    "a gift's coins of both classes": (
        held_gift(KEY, AT, FAN, 7, 3),
        {(PAID, COIN): 7, (BONUS, COIN): 3},
    ),
    "a gift of one class": (held_gift(KEY, AT, FAN, 0, 3), {(BONUS, COIN): 3}),
    "a payout's diamonds": (
        rules.payout_requested(KEY, AT, FAN, 9, "pay_1"),
        {(AVAILABLE, DIAMOND): 9},
    ),
    "a refund's coins, but not its debt and money": (
        rules.refund(KEY, AT, FAN, Purse(10, 4), LOT, 10, Amount(100, USD)),
        {(PAID, COIN): 6},
    ),
    "nothing of a recharge": (rules.recharge_captured(KEY, AT, FAN, 10, PAYMENT), {}),
    "what a bounced payout takes from the platform": (
        rules.payout_bounced(
            KEY, AT, FAN, 9, Amount(100, USD), Amount(5, USD), "pay_1", "account closed"
        ),
        {(AccountRef(Account.DIAMOND_CASHED), DIAMOND): 9},
    ),
}


@pytest.mark.parametrize("name", RESERVED)
def test_a_hold_reserves_what_leaves_accounts_with_a_floor(name: str) -> None:
    journal, reserved = RESERVED[name]
    assert Hold(journal, "review", END).reservations == reserved


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50)), min_size=1, max_size=6))
def test_what_comes_back_in_the_same_journal_is_not_reserved(moves: list[tuple[bool, int]]) -> None:
    held = AccountRef(Account.CREATOR_HELD, FAN)
    transfers = tuple(
        Transfer(*((AVAILABLE, held) if is_out else (held, AVAILABLE)), Amount(minor, DIAMOND))
        for is_out, minor in moves
    )
    journal = Journal(KEY, Event.PAYOUT_REQUESTED, creator_bucket(FAN), AT, transfers)
    out = -journal.change(Account.CREATOR_AVAILABLE)
    expected = {(AVAILABLE if out > 0 else held, DIAMOND): abs(out)} if out else {}
    assert Hold(journal, "review", END).reservations == expected


def test_a_held_gift_names_no_serials() -> None:
    """They are the wallet's next ones when it is given."""
    journal = held_gift(KEY, AT, FAN, 7, 3)
    assert (journal.event, journal.voids, journal.lots) == (Event.GIFT, (), ())
    lot = rules.recharge_captured(KEY, AT, FAN, 10, PAYMENT).lots
    with pytest.raises(BadJournal) as caught:
        dataclasses.replace(journal, lots=lot)
    assert caught.value.fault is Fault.UNBALANCED_SERIALS


@pytest.mark.parametrize("length", [1, LONGEST_REASON])
def test_a_reason_is_a_name(length: int) -> None:
    Hold(held_gift(KEY, AT, FAN, 1, 0), "x" * length, END)
    with pytest.raises(BadJournal):
        Hold(held_gift(KEY, AT, FAN, 1, 0), "x" * (LONGEST_REASON + 1), END)


ENDS = (State.POSTED, State.VOIDED)


@pytest.mark.parametrize("wish", ENDS)
@pytest.mark.parametrize("stood", ["posted", "voided", "expired", "unknown"])
def test_a_hold_answers_the_way_it_ended(wish: State, stood: str) -> None:
    if stood == wish.value:
        assert ended(KEY, wish, stood, resolved=False)
        assert not ended(KEY, wish, stood, resolved=True)
        return
    with pytest.raises(UnknownHold if stood == "unknown" else HoldResolved) as caught:
        ended(KEY, wish, stood, resolved=False)
    assert caught.value.data["id"] == str(KEY)
    assert caught.value.data.get("state", "unknown") == stood
