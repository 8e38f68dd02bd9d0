"""The posting rules: what every event books, and docs/money-flow.md beside them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from largesse.ledger import rules
from largesse.ledger.accounts import ACCOUNTS, Account, Unit
from largesse.ledger.errors import BadJournal
from largesse.ledger.journals import Event, Journal, Transfer
from largesse.ledger.lots import CoinClass, Lot, Purse, SerialRange
from largesse.ledger.rules import Payment
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId

MONEY_FLOW = Path(__file__).parents[2] / "docs/money-flow.md"

KEY = UUID("019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21")
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
FAN = CREATOR = HolderId(5)
FAN_BUCKET, CREATOR_BUCKET = 5, 69

# 100 coins for 10.00 dollars, 1.00 of it tax; then 100 coins for 9.00 euros, without tax.
LOTS = (
    Lot(SerialRange(0, 100), 1000, 100, "USD", "a"),
    Lot(SerialRange(100, 200), 900, 0, "EUR", "b"),
)
Lines = list[tuple[str, str, str, int]]


def usd(minor: int) -> Amount:
    return Amount(minor, asset("USD"))


def eur(minor: int) -> Amount:
    return Amount(minor, asset("EUR"))


def refund(purse: Purse, coins: int, money: Amount, lot: Lot = LOTS[0]) -> Journal:
    return rules.refund(KEY, AT, FAN, purse, lot, coins, money)


def debt_repaid(purse: Purse, debt: int) -> Journal | None:
    return rules.debt_repaid(KEY, AT, FAN, purse, LOTS, debt)


def expiry(purse: Purse) -> Journal | None:
    return rules.expiry(KEY, AT, FAN, purse, SerialRange(10, 20))


# name: (rule, made by, event, bucket, what it books)
EXAMPLES: dict[str, tuple[Callable[..., object], Callable[[], object], Event, int, Lines]] = {
    "recharge": (
        rules.recharge_captured,
        lambda: rules.recharge_captured(
            KEY, AT, FAN, 100, Payment(usd(1000), usd(100), "web", "a")
        ),
        Event.RECHARGE,
        FAN_BUCKET,
        [
            ("issued", "fan_paid", "COIN", 100),
            ("provider_clearing", "deferred_revenue", "USD", 900),
            ("provider_clearing", "tax_payable", "USD", 100),
        ],
    ),
    "recharge without tax": (
        rules.recharge_captured,
        lambda: rules.recharge_captured(KEY, AT, FAN, 100, Payment(eur(900), eur(0), "web", "b")),
        Event.RECHARGE,
        FAN_BUCKET,
        [
            ("issued", "fan_paid", "COIN", 100),
            ("provider_clearing", "deferred_revenue", "EUR", 900),
        ],
    ),
    "bonus": (
        rules.bonus_granted,
        lambda: rules.bonus_granted(KEY, AT, FAN, 7, "welcome"),
        Event.BONUS,
        FAN_BUCKET,
        [("issued", "fan_bonus", "COIN", 7)],
    ),
    "provider settlement": (
        rules.provider_settled,
        lambda: rules.provider_settled(KEY, AT, FAN_BUCKET, usd(1000), usd(59), "s"),
        Event.PROVIDER_SETTLEMENT,
        FAN_BUCKET,
        [
            ("bank", "provider_clearing", "USD", 941),
            ("provider_fees", "provider_clearing", "USD", 59),
        ],
    ),
    "gift of both classes": (
        rules.gift_transfers,
        lambda: rules.gift_transfers(FAN, 60, 40),
        Event.GIFT,
        FAN_BUCKET,
        [("fan_bonus", "gift_clearing", "COIN", 40), ("fan_paid", "gift_clearing", "COIN", 60)],
    ),
    "gift of paid coins": (
        rules.gift_transfers,
        lambda: rules.gift_transfers(FAN, 60, 0),
        Event.GIFT,
        FAN_BUCKET,
        [("fan_paid", "gift_clearing", "COIN", 60)],
    ),
    "earning": (
        rules.earning,
        lambda: rules.earning(KEY, AT, CREATOR, 101, 50, {"gifts": 3}),
        Event.EARNING,
        CREATOR_BUCKET,
        [
            ("gift_clearing", "redeemed", "COIN", 101),
            ("diamond_issued", "creator_pending", "DIAMOND", 50),
        ],
    ),
    "earning of less than a diamond": (
        rules.earning,
        lambda: rules.earning(KEY, AT, CREATOR, 1, 0, {}),
        Event.EARNING,
        CREATOR_BUCKET,
        [("gift_clearing", "redeemed", "COIN", 1)],
    ),
    "maturity": (
        rules.maturity,
        lambda: rules.maturity(KEY, AT, CREATOR, 50),
        Event.MATURITY,
        CREATOR_BUCKET,
        [("creator_pending", "creator_available", "DIAMOND", 50)],
    ),
    "revenue of a day": (
        rules.revenue_closed,
        lambda: rules.revenue_closed(KEY, AT, FAN_BUCKET, [eur(3), usd(0), usd(5)], "2026-11-22"),
        Event.DAILY_CLOSE,
        FAN_BUCKET,
        [("deferred_revenue", "revenue", "EUR", 3), ("deferred_revenue", "revenue", "USD", 5)],
    ),
    "creators' cost of a day": (
        rules.creator_cost_closed,
        lambda: rules.creator_cost_closed(KEY, AT, CREATOR_BUCKET, usd(4), "2026-11-22"),
        Event.DAILY_CLOSE,
        CREATOR_BUCKET,
        [("creator_cost", "creator_payable", "USD", 4)],
    ),
    "payout requested": (
        rules.payout_requested,
        lambda: rules.payout_requested(KEY, AT, CREATOR, 50, "p"),
        Event.PAYOUT_REQUESTED,
        CREATOR_BUCKET,
        [("creator_available", "creator_held", "DIAMOND", 50)],
    ),
    "payout settled": (
        rules.payout_settled,
        lambda: rules.payout_settled(KEY, AT, CREATOR, 50, usd(500), usd(25), "p"),
        Event.PAYOUT_SETTLED,
        CREATOR_BUCKET,
        [
            ("creator_held", "diamond_cashed", "DIAMOND", 50),
            ("creator_payable", "payout_clearing", "USD", 500),
            ("payout_clearing", "payout_fees", "USD", 25),
            ("payout_clearing", "bank", "USD", 475),
        ],
    ),
    "payout returned": (
        rules.payout_returned,
        lambda: rules.payout_returned(KEY, AT, CREATOR, 50, "p", "closed"),
        Event.PAYOUT_RETURNED,
        CREATOR_BUCKET,
        [("creator_held", "creator_available", "DIAMOND", 50)],
    ),
    "payout bounced": (
        rules.payout_bounced,
        lambda: rules.payout_bounced(KEY, AT, CREATOR, 50, usd(500), usd(25), "p", "closed"),
        Event.PAYOUT_RETURNED,
        CREATOR_BUCKET,
        [
            ("diamond_cashed", "creator_available", "DIAMOND", 50),
            ("payout_clearing", "creator_payable", "USD", 500),
            ("payout_fees", "payout_clearing", "USD", 25),
            ("bank", "payout_clearing", "USD", 475),
        ],
    ),
    "refund of a lot that is whole": (
        rules.refund,
        lambda: refund(Purse(100, 0), 100, usd(1000)),
        Event.REFUND,
        FAN_BUCKET,
        [
            ("fan_paid", "revoked", "COIN", 100),
            ("deferred_revenue", "provider_clearing", "USD", 900),
            ("tax_payable", "provider_clearing", "USD", 100),
        ],
    ),
    "refund of a lot that is half spent": (
        rules.refund,
        lambda: refund(Purse(100, 50), 100, usd(1000)),
        Event.REFUND,
        FAN_BUCKET,
        [
            ("fan_paid", "revoked", "COIN", 50),
            ("fan_debt", "revoked", "COIN", 50),
            ("deferred_revenue", "provider_clearing", "USD", 450),
            ("tax_payable", "provider_clearing", "USD", 50),
            ("loss", "provider_clearing", "USD", 500),
        ],
    ),
    "refund of a lot that is all spent": (
        rules.refund,
        lambda: refund(Purse(100, 100), 100, usd(1000)),
        Event.REFUND,
        FAN_BUCKET,
        [("fan_debt", "revoked", "COIN", 100), ("loss", "provider_clearing", "USD", 1000)],
    ),
    "refund of a part, while another lot is newer": (
        rules.refund,
        lambda: refund(Purse(200, 0), 10, usd(100)),
        Event.REFUND,
        FAN_BUCKET,
        [
            ("fan_paid", "revoked", "COIN", 10),
            ("deferred_revenue", "provider_clearing", "USD", 90),
            ("tax_payable", "provider_clearing", "USD", 10),
        ],
    ),
    "refund in another currency than was paid": (
        rules.refund,
        lambda: refund(Purse(200, 0), 100, eur(910)),
        Event.REFUND,
        FAN_BUCKET,
        [
            ("fan_paid", "revoked", "COIN", 100),
            ("loss", "provider_clearing", "EUR", 910),
            ("deferred_revenue", "loss", "USD", 900),
        ],
    ),
    "refund of less than its coins had cost": (
        rules.refund,
        lambda: refund(Purse(100, 0), 100, usd(600)),
        Event.REFUND,
        FAN_BUCKET,
        [
            ("fan_paid", "revoked", "COIN", 100),
            ("deferred_revenue", "provider_clearing", "USD", 600),
            ("deferred_revenue", "loss", "USD", 300),
        ],
    ),
    "debt repaid by coins of both currencies": (
        rules.debt_repaid,
        lambda: debt_repaid(Purse(200, 90), 30),
        Event.DEBT_REPAID,
        FAN_BUCKET,
        [
            ("fan_paid", "fan_debt", "COIN", 30),
            ("deferred_revenue", "loss", "EUR", 180),
            ("deferred_revenue", "loss", "USD", 90),
        ],
    ),
    "debt repaid in part": (
        rules.debt_repaid,
        lambda: debt_repaid(Purse(100, 90), 30),
        Event.DEBT_REPAID,
        FAN_BUCKET,
        [("fan_paid", "fan_debt", "COIN", 10), ("deferred_revenue", "loss", "USD", 90)],
    ),
    "expiry of what is left": (
        rules.expiry,
        lambda: expiry(Purse(30, 15, (SerialRange(17, 18),))),
        Event.EXPIRY,
        FAN_BUCKET,
        [("fan_bonus", "expired", "COIN", 4)],
    ),
    "expiry of bought coins": (
        rules.paid_expiry,
        lambda: rules.paid_expiry(KEY, AT, FAN, Purse(200, 90), LOTS[0]),
        Event.EXPIRY,
        FAN_BUCKET,
        [("fan_paid", "expired", "COIN", 10), ("deferred_revenue", "revenue", "USD", 90)],
    ),
}


def lines(transfers: tuple[Transfer, ...]) -> Lines:
    return [
        (t.debit.account.code, t.credit.account.code, t.amount.asset.code, t.amount.minor)
        for t in transfers
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_event_books_exactly_this(name: str) -> None:
    _, make, event, bucket, expected = EXAMPLES[name]
    made = make()
    if isinstance(made, Journal):
        assert (made.event, made.bucket, made.id, made.at) == (event, bucket, KEY, AT)
        assert lines(made.transfers) == expected
    else:
        assert isinstance(made, tuple)
        assert lines(made) == expected


def test_every_rule_and_every_event_has_an_example() -> None:
    public = {
        function
        for name, function in inspect.getmembers(rules, inspect.isfunction)
        if function.__module__ == rules.__name__ and not name.startswith("_")
    }
    assert public == {rule for rule, *_ in EXAMPLES.values()}
    assert {event for _, _, event, _, _ in EXAMPLES.values()} == set(Event)


# -- The table in docs/money-flow.md ---------------------------------------------------------------

_ROW = re.compile(r"^\| `(\w+)` \|[^|]*\| `(\w+)` \| `(\w+)` \| (COIN|DIAMOND|currency) \|", re.M)


def test_money_flow_shows_what_the_rules_book_and_nothing_else() -> None:
    found = _ROW.findall(MONEY_FLOW.read_text(encoding="utf-8"))
    assert len(found) == len(set(found))
    booked = {
        (event.value, debit, credit, code if code in ("COIN", "DIAMOND") else "currency")
        for _, _, event, _, example in EXAMPLES.values()
        for debit, credit, code, _ in example
    }
    assert set(found) - booked == set()
    assert booked - set(found) == set()


def test_money_flow_names_every_account_and_rule() -> None:
    text = MONEY_FLOW.read_text(encoding="utf-8")
    assert [code for code in ACCOUNTS if f"| `{code}` |" not in text] == []
    assert [
        rule.__name__ for rule, *_ in EXAMPLES.values() if f"`{rule.__name__}`" not in text
    ] == []


def test_links_of_money_flow_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", MONEY_FLOW.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (MONEY_FLOW.parent / link).exists()] == []


# -- Refusals and properties ----------------------------------------------------------------------


def test_tax_is_a_part_of_the_price() -> None:
    with pytest.raises(BadJournal):
        Payment(usd(10), usd(11), "web", "a")
    with pytest.raises(BadJournal):
        Payment(usd(10), eur(1), "web", "a")


@pytest.mark.parametrize("fee", [usd(1001), eur(1)])
def test_fees_are_a_part_of_what_moves(fee: Amount) -> None:
    with pytest.raises(BadJournal):
        rules.provider_settled(KEY, AT, 5, usd(1000), fee, "s")
    with pytest.raises(BadJournal):
        rules.payout_settled(KEY, AT, CREATOR, 50, usd(1000), fee, "p")
    with pytest.raises(BadJournal):
        rules.payout_bounced(KEY, AT, CREATOR, 50, usd(1000), fee, "p", "closed")


@pytest.mark.parametrize(
    "make",
    [
        lambda: rules.recharge_captured(KEY, AT, FAN, 0, Payment(usd(10), usd(1), "web", "a")),
        lambda: rules.bonus_granted(KEY, AT, FAN, 0, "b"),
        lambda: rules.maturity(KEY, AT, CREATOR, 0),
        lambda: rules.payout_requested(KEY, AT, CREATOR, 0, "p"),
        lambda: rules.revenue_closed(KEY, AT, 5, [], "day"),
        lambda: refund(Purse(100, 0), 0, usd(0)),
    ],
)
def test_an_event_that_moves_nothing_is_no_journal(make: Callable[[], object]) -> None:
    with pytest.raises(BadJournal):
        make()


def test_nothing_to_repay_with_and_nothing_to_expire_is_none() -> None:
    assert debt_repaid(Purse(100, 100), 30) is None
    assert expiry(Purse(30, 20)) is None
    assert expiry(Purse(30, 0, (SerialRange(10, 20),))) is None
    assert rules.paid_expiry(KEY, AT, FAN, Purse(200, 100), LOTS[0]) is None


def test_held_coins_do_not_expire_under_their_hold() -> None:
    made = expiry(Purse(30, 10, (), 16))
    assert made is not None
    assert -made.change(Account.FAN_BONUS) == 4
    assert expiry(Purse(30, 10, (), 20)) is None


def test_recharge_issues_the_lot_that_was_bought() -> None:
    made = rules.recharge_captured(KEY, AT, FAN, 9, Payment(usd(5), usd(1), "appstore", "rch"))
    [lot] = made.lots
    assert (lot.coin_class, lot.coins, lot.price_minor, lot.tax_minor, lot.currency) == (
        CoinClass.PAID,
        9,
        5,
        1,
        "USD",
    )
    assert (lot.channel, lot.reference, made.reference) == ("appstore", "rch", "rch")


def test_what_a_bounce_books_is_what_the_settlement_booked_backwards() -> None:
    settled = rules.payout_settled(KEY, AT, CREATOR, 50, usd(500), usd(25), "p")
    bounced = rules.payout_bounced(KEY, AT, CREATOR, 50, usd(500), usd(25), "p", "closed")
    money = [t for t in settled.transfers if t.debit.account.unit is Unit.CURRENCY]
    assert [replace(t, debit=t.credit, credit=t.debit) for t in money] == [
        t for t in bounced.transfers if t.debit.account.unit is Unit.CURRENCY
    ]
