"""The form of journals and gifts: a row for each refusal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from largesse.ledger.accounts import ACCOUNTS, Account, AccountRef, Unit
from largesse.ledger.errors import BadJournal
from largesse.ledger.gifts import GiftPosting
from largesse.ledger.journals import Event, Journal, NewLot, NewVoid, Transfer
from largesse.ledger.lots import CoinClass, SerialRange
from largesse.money.amounts import Amount, BadAmount
from largesse.money.assets import COIN, DIAMOND, asset
from largesse.money.ids import PLATFORM, HolderId, RoomId

KEY = UUID("019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21")
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
FAN, OTHER = HolderId(5), HolderId(5 + 64)
USD = asset("USD")

PAID = AccountRef(Account.FAN_PAID, FAN)
ISSUED = AccountRef(Account.ISSUED)
REVOKED = AccountRef(Account.REVOKED)
PENDING = AccountRef(Account.CREATOR_PENDING, FAN)
DIAMONDS = AccountRef(Account.DIAMOND_ISSUED)

TEN = Transfer(ISSUED, PAID, Amount(10, COIN))
LOT = NewLot(CoinClass.PAID, 10, 100, 10, "USD", "web", "rch_1")
VOID = NewVoid(CoinClass.PAID, SerialRange(0, 10))
GOOD = Journal(KEY, Event.RECHARGE, 5, AT, (TEN,), lots=(LOT,))
GIFT = GiftPosting(KEY, FAN, OTHER, RoomId(1), 7, 1, 10, 1, 0, AT)


def test_good_journal_tells_its_holder_and_its_changes() -> None:
    assert GOOD.holder == FAN
    assert GOOD.change(Account.FAN_PAID) == 10
    assert GOOD.change(Account.ISSUED) == -10
    assert GOOD.change(Account.REVOKED) == 0
    fees = Transfer(AccountRef(Account.BANK), AccountRef(Account.REVENUE), Amount(1, USD))
    assert Journal(KEY, Event.PROVIDER_SETTLEMENT, 5, AT, (fees,)).holder == PLATFORM


REFUSALS: dict[str, tuple[Callable[[], Any], str]] = {
    "bucket below": (lambda: changed(bucket=-1), "no bucket -1"),
    "bucket above": (lambda: changed(bucket=128), "no bucket 128"),
    "bucket of somebody else": (lambda: changed(bucket=6), "lives in bucket 5, not in 6"),
    "fan's coins in the creators' half": (lambda: changed(bucket=69), "lives in bucket 5"),
    "creator's diamonds in the fans' half": (
        lambda: Journal(
            KEY, Event.EARNING, 5, AT, (Transfer(DIAMONDS, PENDING, Amount(1, DIAMOND)),)
        ),
        "lives in bucket 69, not in 5",
    ),
    "time without zone": (lambda: changed(at=datetime(2026, 1, 1)), "needs a zone"),  # noqa: DTZ001
    "no transfer": (lambda: changed(transfers=(), lots=()), "at least one transfer"),
    "two holders": (
        lambda: changed(
            transfers=(TEN, Transfer(ISSUED, AccountRef(Account.FAN_PAID, OTHER), Amount(1, COIN)))
        ),
        "one holder to another",
    ),
    "lot without holder": (
        lambda: changed(transfers=(Transfer(ISSUED, REVOKED, Amount(10, COIN)),)),
        "belong to a holder",
    ),
    "void without holder": (
        lambda: changed(
            transfers=(Transfer(ISSUED, REVOKED, Amount(10, COIN)),), lots=(), voids=(VOID,)
        ),
        "belong to a holder",
    ),
    "coins without lot": (lambda: changed(lots=()), "do not agree"),
    "lot of other coins": (
        lambda: changed(lots=(dataclasses.replace(LOT, coins=11),)),
        "do not agree",
    ),
    "lot of the other class": (
        lambda: changed(lots=(dataclasses.replace(LOT, coin_class=CoinClass.BONUS),)),
        "do not agree",
    ),
    "void where coins arrive": (lambda: changed(lots=(), voids=(VOID,)), "do not agree"),
    "transfer of nothing": (lambda: Transfer(ISSUED, PAID, Amount(0, COIN)), "nothing"),
    "transfer to itself": (lambda: Transfer(PAID, PAID, Amount(1, COIN)), "cannot pay itself"),
    "money on a coin account": (lambda: Transfer(ISSUED, PAID, Amount(1, USD)), "not hold USD"),
    "diamonds on a coin account": (
        lambda: Transfer(ISSUED, PAID, Amount(1, DIAMOND)),
        "not hold DIAMOND",
    ),
    "coins to a payout account": (
        lambda: Transfer(PAID, AccountRef(Account.CREATOR_AVAILABLE, FAN), Amount(1, COIN)),
        "creator_available:5 does not hold COIN",
    ),
    "coins on a money account": (
        lambda: Transfer(PAID, AccountRef(Account.BANK), Amount(1, COIN)),
        "bank does not hold COIN",
    ),
    "fan account of the platform": (lambda: AccountRef(Account.FAN_PAID), "belongs to a person"),
    "bank of a person": (lambda: AccountRef(Account.BANK, FAN), "belongs to the platform"),
    "empty lot": (lambda: dataclasses.replace(LOT, coins=0), "at least one coin"),
    "tax above the price": (lambda: dataclasses.replace(LOT, tax_minor=101), "part of its price"),
    "price in no currency": (lambda: dataclasses.replace(LOT, currency=""), "in a currency"),
    "price in coins": (lambda: dataclasses.replace(LOT, currency="COIN"), "in a currency"),
    "empty void": (lambda: NewVoid(CoinClass.PAID, SerialRange(3, 3)), "at least one serial"),
    "range backwards": (lambda: SerialRange(4, 3), "not a range"),
    "range below zero": (lambda: SerialRange(-1, 3), "not a range"),
    "gift of no coins": (lambda: dataclasses.replace(GIFT, coins=0), "at least one coin"),
    "gift of no pieces": (lambda: dataclasses.replace(GIFT, count=0), "1 to 2,147,483,647"),
    "gift of too many pieces": (lambda: dataclasses.replace(GIFT, count=2**31), "1 to 2,147,"),
    "gift of no catalogue": (lambda: dataclasses.replace(GIFT, gift=-1), "no gift -1"),
    "gift of a catalogue beyond": (lambda: dataclasses.replace(GIFT, gift=2**31), "no gift"),
    "gift under no policy": (lambda: dataclasses.replace(GIFT, policy=0), "under policy 0"),
    "gift of nobody": (lambda: dataclasses.replace(GIFT, fan=PLATFORM), "person to a person"),
    "gift to nobody": (lambda: dataclasses.replace(GIFT, creator=PLATFORM), "person to a person"),
    "gift without zone": (
        lambda: dataclasses.replace(GIFT, at=datetime(2026, 1, 1)),  # noqa: DTZ001
        "needs a zone",
    ),
}


def changed(**fields: Any) -> Journal:
    return dataclasses.replace(GOOD, **fields)


@pytest.mark.parametrize(("make", "says"), REFUSALS.values(), ids=REFUSALS)
def test_bad_form_is_refused(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(BadJournal, match=says) as caught:
        make()
    assert not caught.value.retry_helps


@pytest.mark.parametrize("wrong", [True, 1.0, -1, 2**63, "1"], ids=repr)
@pytest.mark.parametrize("field", ["coins", "count"])
def test_gifts_count_whole_coins_and_pieces(field: str, wrong: object) -> None:
    with pytest.raises(BadAmount):
        dataclasses.replace(GIFT, **{field: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["coins", "price_minor", "tax_minor"])
def test_lots_count_whole_units(field: str) -> None:
    with pytest.raises(BadAmount):
        dataclasses.replace(LOT, **{field: -1})  # type: ignore[arg-type]


def test_no_edge_leads_from_coins_to_a_payout() -> None:
    """The guarantee by types: coin accounts and payout accounts hold no common asset."""
    coins = {account for account in Account if account.unit is Unit.COIN}
    payouts = {
        Account.CREATOR_PENDING,
        Account.CREATOR_AVAILABLE,
        Account.CREATOR_HELD,
        Account.CREATOR_PAYABLE,
        Account.PAYOUT_CLEARING,
        Account.BANK,
    }
    assert not coins & payouts
    assert all(account.unit is not Unit.COIN for account in payouts)


def test_chart_of_accounts_has_every_code_once() -> None:
    assert len(ACCOUNTS) == len(list(Account)) == 24
    assert {account for account in Account if account.personal and account.below_zero} == {
        Account.FAN_DEBT
    }
