"""Sentences: total over what docs/money-flow.md knows, plain, safe whoever wrote it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.ledger.accounts import ACCOUNTS, Account, Unit
from largesse.ledger.explain import (
    Before,
    Booked,
    Move,
    Speech,
    Told,
    amount_words,
    linked,
    pending_since,
    place,
    placeholders,
    plain,
    sentence,
)
from largesse.ledger.journals import Event
from largesse.ledger.lots import SerialRange
from largesse.ledger.sentences import (
    ACCOUNT_NAMES,
    EDGES,
    EVENT_TITLES,
    SENTENCES,
    SUMS,
    UNKNOWN,
)

MONEY_FLOW = (Path(__file__).parents[2] / "docs/money-flow.md").read_text(encoding="utf-8")
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
ROW = re.compile(r"^\| `(\w+)` \| .* \| `(\w+)` \| `(\w+)` \| (COIN|DIAMOND|currency) \|$", re.M)
FLOWS = [
    (Event(event), ACCOUNTS[debit], ACCOUNTS[credit])
    for event, debit, credit, _ in ROW.findall(MONEY_FLOW)
]
FACTS = {"holder", "creator", "gift", "reference", "reason", "policy", "cost", "lots", "gifts"}
FACTS |= {"paid_serials", "bonus_serials", "remainder", "since", "expires"}


def unit_of(account: Account) -> str:
    return "USD" if account.unit is Unit.CURRENCY else account.unit.value


def booked(debit: Account, credit: Account, minor: int, unit: str = "") -> Booked:
    return Booked(debit.code, credit.code, unit or unit_of(debit), minor)


def gift(of_paid: int = 3, of_bonus: int = 0, /, **facts: object) -> Told:
    lines = [booked(Account.FAN_PAID, Account.GIFT_CLEARING, of_paid)]
    if of_bonus:
        lines.insert(0, booked(Account.FAN_BONUS, Account.GIFT_CLEARING, of_bonus))
    return Told(Event.GIFT, AT, tuple(lines), **facts)  # type: ignore[arg-type]


# --- Total ---------------------------------------------------------------------------------------


def test_the_tables_know_exactly_what_the_money_flow_knows() -> None:
    assert len(FLOWS) > 30
    sides = {(event, side) for event, *both in FLOWS for side in both}
    assert set(SENTENCES) == sides
    assert set(EDGES) == {(debit, credit) for _, debit, credit in FLOWS}
    assert set(EVENT_TITLES) == set(Event)
    assert set(ACCOUNT_NAMES) == set(Account)


@pytest.mark.parametrize(("event", "debit", "credit"), FLOWS)
@pytest.mark.parametrize("reference", ["", "rch_1"])
def test_any_one_transfer_of_an_event_has_a_sentence_on_both_sides(
    event: Event, debit: Account, credit: Account, reference: str
) -> None:
    told = Told(event, AT, (booked(debit, credit, 7),), reference)
    for account in (debit, credit):
        said = sentence(told, account, unit_of(account))
        assert not said.startswith(UNKNOWN.split("%", maxsplit=1)[0])
        assert said.endswith(".")
        assert "%" not in said
        assert re.search(r"\b(7|0\.07)\b", said), said


def test_every_placeholder_of_every_sentence_is_a_fact() -> None:
    known = FACTS | set(EDGES.values()) | set(SUMS)
    for lines in SENTENCES.values():
        for line in lines:
            for wording in line:
                assert placeholders(wording) <= known, wording


def test_a_pair_that_no_rule_books_is_said_to_be_one() -> None:
    told = Told(Event.BONUS, AT, (booked(Account.ISSUED, Account.FAN_BONUS, 7),))
    said = sentence(told, Account.REVOKED, "COIN")
    assert said == "Something that no rule books moved this account: Bonus coins received."


# --- Words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "account", "said"),
    [
        (
            gift(
                30,
                20,
                gift="Heart × 50",
                creator="Mara",
                policy="share-1",
                share_bp=5000,
                paid=(SerialRange(5, 25), SerialRange(40, 50)),
                bonus=(SerialRange(0, 20),),
                cost={"USD": 31, "EUR": 5},
                lots=("rch_a", "rch_b"),
            ),
            Account.FAN_PAID,
            (
                "Gave Heart × 50 to Mara for 50 coins under share policy share-1 (50 %). "
                "Spent 20 "
                "bonus coins (serials 0 to 19), which had cost nothing. Spent 30 paid coins "
                "(serials "
                "5 to 24 and serials 40 to 49), which had cost 0.05 EUR and 0.31 USD, "
                "from rch_a and rch_b."
            ),
        ),
        (
            gift(1, policy="p", share_bp=3333, paid=(SerialRange(7, 8),), lots=("free",)),
            Account.FAN_PAID,
            (
                "Gave a gift to somebody for 1 coin under share policy p (33.33 %). "
                "Spent 1 paid coin "
                "(serial 7), which had cost nothing, from free."
            ),
        ),
        (
            Told(
                Event.RECHARGE,
                AT,
                (
                    booked(Account.ISSUED, Account.FAN_PAID, 1200),
                    booked(Account.PROVIDER_CLEARING, Account.DEFERRED_REVENUE, 1_00_000),
                    booked(Account.PROVIDER_CLEARING, Account.TAX_PAYABLE, 99),
                ),
                "rch_1",
            ),
            Account.FAN_PAID,
            (
                "Bought 1,200 coins for 1,000.99 USD with recharge rch_1. 0.99 USD of the price is "
                "tax."
            ),
        ),
        (
            Told(
                Event.EARNING,
                AT,
                (
                    booked(Account.GIFT_CLEARING, Account.REDEEMED, 101),
                    booked(Account.DIAMOND_ISSUED, Account.CREATOR_PENDING, 50),
                ),
                policy="share-1",
                share_bp=5000,
                gifts=3,
                remainder=5000,
            ),
            Account.CREATOR_PENDING,
            (
                "3 gifts of 101 coins became 50 diamonds under share policy share-1 (50 %). "
                "0.5 of a "
                "diamond is left over and counts towards the next gifts."
            ),
        ),
        (
            Told(
                Event.REFUND,
                AT,
                (
                    booked(Account.FAN_PAID, Account.REVOKED, 80),
                    booked(Account.FAN_DEBT, Account.REVOKED, 20),
                    booked(Account.DEFERRED_REVENUE, Account.PROVIDER_CLEARING, 72),
                    booked(Account.TAX_PAYABLE, Account.PROVIDER_CLEARING, 8),
                    booked(Account.LOSS, Account.PROVIDER_CLEARING, 20),
                ),
                "rch_1",
                "bought by a child",
            ),
            Account.FAN_DEBT,
            (
                "Gave back 1.00 USD of recharge rch_1. Reason: bought by a child. "
                "Took back 80 coins "
                "that nobody had spent. Short of 20 coins, spent before: they are owed, and gifts "
                "wait until then."
            ),
        ),
        (
            Told(
                Event.PAYOUT_SETTLED,
                AT,
                (
                    booked(Account.CREATOR_HELD, Account.DIAMOND_CASHED, 400),
                    booked(Account.CREATOR_PAYABLE, Account.PAYOUT_CLEARING, 356),
                    booked(Account.PAYOUT_CLEARING, Account.PAYOUT_FEES, 25),
                    booked(Account.PAYOUT_CLEARING, Account.BANK, 331),
                ),
                "pay_1",
            ),
            Account.CREATOR_HELD,
            (
                "Payout pay_1 arrived: 400 diamonds became 3.56 USD. Its fee was 0.25 USD, so 3.31 "
                "USD was sent."
            ),
        ),
    ],
)
def test_sentences_say_it_all(told: Told, account: Account, said: str) -> None:
    assert sentence(told, account, unit_of(account)) == said


def test_an_account_of_money_speaks_of_its_own_currency() -> None:
    told = Told(
        Event.DAILY_CLOSE,
        AT,
        (
            booked(Account.DEFERRED_REVENUE, Account.REVENUE, 33, "USD"),
            booked(Account.DEFERRED_REVENUE, Account.REVENUE, 5_000, "JPY"),
        ),
        "close",
    )
    yen = sentence(told, Account.REVENUE, "JPY")
    assert yen == "Earned 5,000 JPY by gifts that were delivered: close."


def test_times_stand_in_the_readers_zone_and_name_it() -> None:
    moved = (booked(Account.CREATOR_PENDING, Account.CREATOR_AVAILABLE, 5),)
    told = Told(Event.MATURITY, AT, moved, since=AT - timedelta(days=14))
    assert "pending since 2026-11-08 08:00 UTC" in sentence(
        told, Account.CREATOR_PENDING, "DIAMOND"
    )
    tokyo = Speech(zone=ZoneInfo("Asia/Tokyo"))
    assert "2026-11-08 17:00 JST" in sentence(told, Account.CREATOR_PENDING, "DIAMOND", tokyo)


def test_another_language_translates_wordings_and_plurals() -> None:
    german = Speech(
        text=lambda text: text.replace("Expired unused", "Ungenutzt verfallen"),
        plural=lambda one, many, n: "%(number)s Bonusmünzen" if "bonus" in many else many,
    )
    told = Told(Event.EXPIRY, AT, (booked(Account.FAN_BONUS, Account.EXPIRED, 22),))
    said = sentence(told, Account.FAN_BONUS, "COIN", german)
    assert said == "Ungenutzt verfallen: 22 Bonusmünzen."


@pytest.mark.parametrize(
    ("minor", "unit", "words"),
    [
        (1, "COIN", "1 coin"),
        (-1200, "COIN", "−1,200 coins"),
        (0, "DIAMOND", "0 diamonds"),
        (499, "USD", "4.99 USD"),
        (-5, "USD", "−0.05 USD"),
        (1600, "JPY", "1,600 JPY"),
        (2_155, "KWD", "2.155 KWD"),
    ],
)
def test_amounts_have_a_unit_and_a_sign(minor: int, unit: str, words: str) -> None:
    assert amount_words(minor, unit) == words


def test_a_long_list_ends_in_how_many_more() -> None:
    told = gift(9, paid=(SerialRange(0, 9),), lots=tuple(f"rch_{n}" for n in range(6)))
    said = sentence(told, Account.FAN_PAID, "COIN")
    assert said.endswith("rch_0, rch_1, rch_2 and 3 more.")


@given(st.text())
def test_no_stranger_breaks_a_line_or_steers_a_terminal(text: str) -> None:
    shown = plain(text)
    assert all(c.isprintable() or c == "\u200d" for c in shown)
    assert shown == shown.strip()
    told = gift(3, gift=text, creator=text, reference=text)
    assert len(sentence(told, Account.FAN_PAID, "COIN").splitlines()) == 1


def test_a_strangers_percent_sign_is_a_percent_sign() -> None:
    said = sentence(gift(3, creator="%(price)s 100 %"), Account.FAN_PAID, "COIN")
    assert "to %(price)s 100 % for 3 coins" in said


# --- Chains --------------------------------------------------------------------------------------


def test_links_carry_the_balance_on() -> None:
    told = gift()
    moves = [(Move(6, seq, change), told) for seq, change in ((1, 500), (2, -30), (9, 0))]
    after = [link.balance_after for link in linked(Before(), moves)]
    assert after == [500, 470, 470]
    after = [link.balance_after for link in linked(Before(4, 11), moves)]
    assert after == [511, 481, 481]
    assert place(6, 12) == "b006-12"


@given(st.lists(st.integers(-60, 60).filter(bool), max_size=40), st.integers(0, 45))
def test_pending_diamonds_leave_first_in_first_out(wishes: list[int], oldest: int) -> None:
    queue: list[datetime] = []
    moves: list[tuple[int, datetime, int]] = []
    expected: dict[int, datetime] = {}
    for seq, wish in enumerate(wishes):
        at = AT + timedelta(minutes=seq)
        if wish > 0:
            queue += [at] * wish
            moves.append((seq, at, wish))
        elif taken := min(-wish, len(queue)):
            expected[seq] = queue[0]
            queue = queue[taken:]
            moves.append((seq, at, -taken))
    found = pending_since(len(queue), reversed(moves), oldest)
    assert found == {seq: at for seq, at in expected.items() if seq >= oldest}


def test_a_look_back_stops_where_all_is_known() -> None:
    def moves():
        yield 9, AT, -5
        yield 8, AT - timedelta(hours=1), 5
        yield 7, AT - timedelta(hours=2), 5
        raise AssertionError("nobody needs what is older")

    assert pending_since(0, moves(), 8) == {9: AT - timedelta(hours=1)}
