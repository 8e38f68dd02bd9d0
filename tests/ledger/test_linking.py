"""Links between journals, and the table of what is refused by rule: one row a fault at least."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.ledger import rules
from largesse.ledger.accounts import Account, AccountRef
from largesse.ledger.errors import BadJournal, Fault
from largesse.ledger.holds import Hold
from largesse.ledger.journal_content import Content, content_of, journal_of
from largesse.ledger.journals import Bound, Journal, booked
from largesse.ledger.linking import LONGEST_CHAIN, Chain, chains
from largesse.money.amounts import MAX_MINOR, Amount
from largesse.money.assets import COIN, asset
from largesse.money.ids import HolderId, uuid7

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
FAN, OTHER = HolderId(5), HolderId(5 + 64)
PAYMENT = rules.Payment(Amount(200, asset("USD")), Amount(20, asset("USD")), "web", "rch_1")


def number(n: int) -> UUID:
    return uuid7(int(AT.timestamp() * 1000), n.to_bytes(10, "big"))


def journal(n: int, to: int | None = None, coins: int = 10) -> Journal:
    made = rules.recharge_captured(number(n), AT, FAN, coins, PAYMENT)
    return made if to is None else dataclasses.replace(made, linked_to=number(to))


GOOD: Content = content_of(journal(1))


def content(**members: object) -> Content:
    return {**GOOD, **members}


def transfer(**members: object) -> Content:
    first, *others = GOOD["transfers"]
    return content(transfers=[{**first, **members}, *others])


def read(data: Content) -> Callable[[], object]:
    return lambda: journal_of(data)


def submit(*journals: Journal) -> Callable[[], object]:
    def first_refusal() -> None:
        for chain in chains(journals):
            if chain.refusal is not None:
                raise chain.refusal

    return first_refusal


def bound(**members: object) -> Content:
    one = {"account": f"fan_paid:{FAN}", "asset": "COIN", "at_least": 1, "at_most": 2}
    return content(bounds=[{**one, **members}])


TWO_FANS = [*GOOD["transfers"], {**GOOD["transfers"][0], "credit": f"fan_paid:{OTHER}"}]
TOO_LONG = [journal(n, n - 1) if n else journal(n) for n in range(LONGEST_CHAIN + 1)]

# What somebody hands in, and the rule that it breaks.
BAD_INPUT: dict[str, tuple[Callable[[], object], Fault]] = {
    "no id": (read({k: v for k, v in GOOD.items() if k != "id"}), Fault.MALFORMED),
    "id that is none": (read(content(id="1")), Fault.MALFORMED),
    "id of another kind": (read(content(id=1)), Fault.MALFORMED),
    "event that nobody knows": (read(content(event="theft")), Fault.MALFORMED),
    "no transfers member": (read(content(transfers=None)), Fault.MALFORMED),
    "transfers that are a text": (read(content(transfers="all")), Fault.MALFORMED),
    "transfer that is a number": (read(content(transfers=[1])), Fault.MALFORMED),
    "bucket that is a truth": (read(content(bucket=True)), Fault.MALFORMED),
    "time without zone": (read(content(at="2026-11-22T08:00:00")), Fault.MALFORMED),
    "time that is none": (read(content(at="soon")), Fault.MALFORMED),
    "void range backwards": (
        read(content(voids=[{"class": "paid", "start": 4, "stop": 3}])),
        Fault.MALFORMED,
    ),
    "unknown account": (read(transfer(credit="fan_gold:5")), Fault.UNKNOWN_ACCOUNT),
    "account of nobody": (read(transfer(credit="fan_paid")), Fault.UNKNOWN_ACCOUNT),
    "bank of a person": (read(transfer(debit="bank:5")), Fault.UNKNOWN_ACCOUNT),
    "holder below zero": (read(transfer(credit="fan_paid:-5")), Fault.UNKNOWN_ACCOUNT),
    "holder that is no number": (read(transfer(credit="fan_paid:ada")), Fault.UNKNOWN_ACCOUNT),
    "holder beyond": (read(transfer(credit="fan_paid:" + "9" * 30)), Fault.UNKNOWN_ACCOUNT),
    "holder just beyond": (read(transfer(credit=f"fan_paid:{2**63}")), Fault.UNKNOWN_ACCOUNT),
    "holder zero": (read(transfer(credit="fan_paid:0")), Fault.UNKNOWN_ACCOUNT),
    "unknown asset": (read(transfer(asset="GOLD")), Fault.UNKNOWN_ASSET),
    "amount above BIGINT": (read(transfer(amount_minor=2**63)), Fault.AMOUNT_OUT_OF_RANGE),
    "amount below zero": (read(transfer(amount_minor=-1)), Fault.AMOUNT_OUT_OF_RANGE),
    "amount with a point": (read(transfer(amount_minor=1.0)), Fault.AMOUNT_OUT_OF_RANGE),
    "amount that is a text": (read(transfer(amount_minor="1")), Fault.AMOUNT_OUT_OF_RANGE),
    "amount that is a truth": (read(transfer(amount_minor=True)), Fault.AMOUNT_OUT_OF_RANGE),
    "transfer of nothing": (read(transfer(amount_minor=0)), Fault.EMPTY_TRANSFER),
    "transfer to itself": (read(transfer(credit="issued")), Fault.SELF_TRANSFER),
    "coins to the bank": (read(transfer(credit="bank")), Fault.WRONG_ASSET),
    "coins for diamonds": (read(transfer(credit="creator_available:5")), Fault.WRONG_ASSET),
    "bucket of somebody else": (read(content(bucket=6)), Fault.WRONG_BUCKET),
    "bucket that is none": (read(content(bucket=128)), Fault.WRONG_BUCKET),
    "no transfer": (read(content(transfers=[])), Fault.NO_TRANSFER),
    "two holders": (read(content(transfers=TWO_FANS)), Fault.TWO_HOLDERS),
    "coins without a lot": (read(content(lots=[])), Fault.UNBALANCED_SERIALS),
    "more coins than the lot": (read(transfer(amount_minor=11)), Fault.UNBALANCED_SERIALS),
    "gift with a lot": (read(content(event="gift")), Fault.UNBALANCED_SERIALS),
    "bound without a limit": (
        read(bound(at_least=None, at_most=None)),
        Fault.BAD_CONSTRAINT,
    ),
    "bound that nothing meets": (read(bound(at_least=3)), Fault.BAD_CONSTRAINT),
    "bound on somebody else": (
        read(bound(account=f"fan_paid:{OTHER}")),
        Fault.BAD_CONSTRAINT,
    ),
    "bound on another bucket": (
        read(bound(account=f"creator_held:{FAN}", asset="DIAMOND")),
        Fault.BAD_CONSTRAINT,
    ),
    "bound in another asset": (read(bound(asset="USD")), Fault.WRONG_ASSET),
    "bound beyond BIGINT": (read(bound(at_most=2**63)), Fault.AMOUNT_OUT_OF_RANGE),
    "bound that is a truth": (read(bound(at_least=True)), Fault.AMOUNT_OUT_OF_RANGE),
    "hold that ends before": (lambda: Hold(journal(1), "review", AT), Fault.BAD_HOLD),
    "hold whose end has no zone": (
        lambda: Hold(journal(1), "review", datetime(2027, 1, 1)),  # noqa: DTZ001
        Fault.BAD_HOLD,
    ),
    "hold for no reason": (
        lambda: Hold(journal(1), "", datetime(2027, 1, 1, tzinfo=UTC)),
        Fault.BAD_HOLD,
    ),
    "hold of a linked journal": (
        lambda: Hold(journal(1, 2), "review", datetime(2027, 1, 1, tzinfo=UTC)),
        Fault.BAD_HOLD,
    ),
    "link to itself": (read(content(linked_to=GOOD["id"])), Fault.LINK_TO_ITSELF),
    "link that is no id": (read(content(linked_to="first")), Fault.MALFORMED),
    "an id twice with other content": (
        submit(journal(1), journal(1, coins=11)),
        Fault.ID_TWICE,
    ),
    "an id twice with another link": (
        submit(journal(1), journal(2), journal(1, 2)),
        Fault.ID_TWICE,
    ),
    "link to a journal that was not submitted": (submit(journal(1, 9)), Fault.LINK_TO_NOBODY),
    "cycle of two": (submit(journal(1, 2), journal(2, 1)), Fault.LINK_CYCLE),
    "cycle of three with a tail": (
        submit(journal(9, 1), journal(1, 2), journal(2, 3), journal(3, 1)),
        Fault.LINK_CYCLE,
    ),
    "chain that is too long": (submit(*TOO_LONG), Fault.CHAIN_TOO_LONG),
    "twice and linked to nobody": (
        submit(journal(1, 9), journal(1, 8)),
        Fault.ID_TWICE,
    ),
    "linked to nobody and too long": (
        submit(journal(0, 999), *TOO_LONG[1:]),
        Fault.LINK_TO_NOBODY,
    ),
}


@pytest.mark.parametrize(("hand_in", "fault"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_refused_by_rule(hand_in: Callable[[], object], fault: Fault) -> None:
    with pytest.raises(BadJournal) as caught:
        hand_in()
    assert caught.value.fault is fault
    assert caught.value.data["fault"] == fault.value
    assert caught.value.code == "bad_journal"
    assert not caught.value.retry_helps


def test_every_fault_has_a_row() -> None:
    assert {fault for _, fault in BAD_INPUT.values()} == set(Fault)


def test_a_chain_may_be_as_long_as_the_limit() -> None:
    [chain] = chains(TOO_LONG[:-1])
    assert (len(chain.members), chain.refusal) == (LONGEST_CHAIN, None)


def test_chains_keep_the_order_of_the_submission() -> None:
    """Whatever hangs together by links in either direction is one chain."""
    submission = [
        journal(1, 4),
        journal(2),
        journal(3),
        journal(4),
        journal(5, 4),
        journal(6, 3),
        journal(2),
    ]
    assert chains(submission) == [Chain((0, 3, 4)), Chain((1, 6)), Chain((2, 5))]
    assert chains([]) == []


def test_a_bad_chain_does_not_touch_the_others() -> None:
    found = chains([journal(1, 9), journal(2), journal(3, 1)])
    assert [chain.members for chain in found] == [(0, 2), (1,)]
    assert [chain.refusal is None for chain in found] == [False, True]


LINKS = st.lists(st.one_of(st.none(), st.integers(0, 12)), max_size=12)


@given(LINKS)
def test_chains_divide_every_submission(links: Sequence[int | None]) -> None:
    submission = [journal(n, None if to == n else to) for n, to in enumerate(links)]
    found = chains(submission)
    places = {i: c for c, chain in enumerate(found) for i in chain.members}
    assert sorted(i for chain in found for i in chain.members) == list(range(len(links)))
    assert [chain.members[0] for chain in found] == sorted(c.members[0] for c in found)
    for n, one in enumerate(submission):
        steps, at = 0, one
        while at.linked_to is not None and steps <= len(links):
            known = [j for j in submission if j.id == at.linked_to]
            if not known:
                break
            at, steps = known[0], steps + 1
            assert places[submission.index(at)] == places[n]
        if at.linked_to is not None:
            assert found[places[n]].refusal is not None


WHOLE = [
    journal(1),
    rules.recharge_captured(number(7), AT, HolderId(MAX_MINOR), 1, PAYMENT),
    journal(1, 2),
    rules.bonus_granted(number(3), AT, FAN, 7, "welcome", datetime(2027, 1, 1, tzinfo=UTC)),
    dataclasses.replace(
        rules.payout_returned(number(4), AT, FAN, 9, "pay_1", "the bank said: \u201cno\u201d"),
        bounds=(
            Bound(AccountRef(Account.CREATOR_AVAILABLE, FAN), asset("DIAMOND"), at_least=-1),
            Bound(AccountRef(Account.BANK), asset("JPY"), -MAX_MINOR, MAX_MINOR),
        ),
    ),
    dataclasses.replace(
        journal(5), bounds=(Bound(AccountRef(Account.FAN_PAID, FAN), COIN, at_most=10),)
    ),
]


@pytest.mark.parametrize("whole", WHOLE, ids=lambda j: f"{j.event.value} {j.id.int & 0xFF}")
def test_what_was_written_is_read_again(whole: Journal) -> None:
    assert journal_of(content_of(whole)) == whole


def test_void_serials_are_written_and_read() -> None:
    from largesse.ledger.lots import Purse, SerialRange

    expired = rules.expiry(number(6), AT, FAN, Purse(10), SerialRange(0, 4))
    assert expired is not None
    assert journal_of(content_of(expired)) == expired


CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "time": ({"at": datetime(2027, 1, 1, tzinfo=UTC)}, True),
    "detail": ({"detail": {"why": "asked"}}, True),
    "reference": ({"reference": "rch_2"}, False),
    "link": ({"linked_to": number(2)}, False),
    "bounds": ({"bounds": (Bound(AccountRef(Account.BANK), asset("USD"), 0),)}, False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_journal_books_is_its_content_with_links_and_bounds(name: str) -> None:
    members, is_same = CHANGES[name]
    assert (booked(dataclasses.replace(journal(1), **members)) == booked(journal(1))) is is_same


def test_each_limit_of_a_bound_counts() -> None:
    bank = AccountRef(Account.BANK)
    limits = [(0, None), (None, 0), (0, 0), (0, 1), (-1, 0)]
    bounds = [Bound(bank, asset("USD"), *pair) for pair in limits]
    told = {repr(booked(dataclasses.replace(journal(1), bounds=(one,)))) for one in bounds}
    assert len(told) == len(limits)
