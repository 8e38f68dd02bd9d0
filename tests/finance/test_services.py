"""The daily close and the provider's settlement: exact sums, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from largesse.adapters.postgres import closing, settling
from largesse.adapters.postgres.checks import run_checks
from largesse.adapters.postgres.reading import platform_balances
from largesse.earnings.selectors import policy_by_number
from largesse.earnings.services import publish_policy
from largesse.finance import rules, selectors, services
from largesse.finance.errors import DayNotOver, UnknownProvider
from largesse.finance.models import Settlement
from largesse.ledger.journals import Journal
from largesse.ledger.ports import Posted
from largesse.ledger.rules import refund
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import TransientError
from largesse.money.ids import FAN_BUCKETS
from tests.earnings.street import Street

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
DAY = date(2026, 11, 22)


@pytest.fixture
def street() -> Iterator[Street]:
    """A street whose books are sound at the end of every test."""
    yield Street(START)
    assert run_checks() == []


def close(street: Street, day: date = DAY) -> services.Closed:
    street.now = max(street.now, rules.day_ends(day) + timedelta(minutes=5))
    return services.close_day(street.book, closing, day=day, now=street.now)


def platform(code: str, currency: str = "USD") -> int:
    return platform_balances().get((code, currency), 0)


# --- Daily close ---------------------------------------------------------------------------------


def test_delivered_gifts_become_revenue_net_of_tax_to_the_last_unit(street: Street) -> None:
    fan, creator = street.holder("fan"), street.holder("mara")
    street.recharge(fan, 3, 100, tax_minor=10)
    street.gift(fan, creator, 1)
    street.roll_up()
    assert close(street).revenue == {"USD": 30}
    street.gift(fan, creator, 2)
    street.roll_up()
    assert close(street, DAY + timedelta(days=1)).revenue == {"USD": 60}
    assert platform("revenue") == 90
    assert platform("deferred_revenue") == 0
    assert platform("tax_payable") == 10


def test_many_fans_currencies_and_days_leave_exactly_what_is_unspent(street: Street) -> None:
    creator = street.holder("mara")
    fans = [street.holder(f"fan {number}") for number in range(12)]
    for number, fan in enumerate(fans):
        street.recharge(fan, 500 + number, 499, tax_minor=number)
        street.recharge(fan, 100, 159, tax_minor=14, code="JPY")
        street.gift(fan, creator, 37 * (number + 1))
    street.roll_up()
    close(street)
    for fan in fans:
        balance = street.book.wallet(fan).spendable
        street.gift(fan, creator, balance)
    street.roll_up()
    close(street, DAY + timedelta(days=1))
    assert platform("deferred_revenue") == platform("deferred_revenue", "JPY") == 0
    assert platform("revenue") == sum(499 - number for number in range(12))
    assert platform("revenue", "JPY") == 12 * (159 - 14)


def test_closing_twice_is_closing_once(street: Street) -> None:
    street.earn(street.holder("mara"), 1_000)
    first = close(street)
    assert first.buckets == 128
    street.earn(street.holder("mara"), 1_000)
    before = platform_balances()
    assert close(street) == services.Closed(0, {}, {})
    assert platform_balances() == before


def test_a_day_is_closed_after_it_has_ended(street: Street) -> None:
    with pytest.raises(DayNotOver):
        services.close_day(street.book, closing, day=DAY, now=START)


def test_creators_cost_is_cumulative_so_rounding_never_drifts(street: Street) -> None:
    creator = street.holder("mara")
    days = 9
    for number in range(days):
        street.earn(creator, 3)
        close(street, DAY + timedelta(days=number))
    diamonds = 3 * days * 5_000 // 10_000
    owed = diamonds * policy_by_number(1).diamond_micro // 10_000
    assert platform("creator_payable") == owed == 11
    assert platform("creator_cost") == -owed


def test_diamonds_of_several_policies_are_owed_at_their_value(street: Street) -> None:
    more = publish_policy(version="more", share_bp=10_000, effective_at=START, now=START)
    creator, fan = street.holder("mara"), street.holder("fan")
    street.recharge(fan, 2_000, 2_000)
    street.gift(fan, creator, 1_000)
    street.gift(fan, creator, 1_000, policy=more.number)
    street.roll_up()
    assert close(street).creator_cost == {"USD": 445 + 891}


class FallingBook:
    """A book whose connection gives way after one posting, before its commit."""

    def __init__(self, street: Street, fall_at: int) -> None:
        self.street = street
        self.posts_left = fall_at

    def post(self, journals: Sequence[Journal]) -> list[Posted]:
        posted = self.street.book.post(journals)
        self.posts_left -= 1
        if self.posts_left == 0:
            raise TransientError("The connection was lost.")
        return posted


@pytest.mark.parametrize("fall_at", [1, 2, 3, 4, 5, 6])
def test_a_close_that_is_cut_goes_on_where_it_was(street: Street, fall_at: int) -> None:
    for name in ("mara", "ilse", "noor"):
        street.earn(street.holder(name), 1_000)
    street.now = rules.day_ends(DAY)
    book = FallingBook(street, fall_at)
    with pytest.raises(TransientError):
        services.close_day(book, closing, day=DAY, now=street.now)  # type: ignore[arg-type]
    services.close_day(street.book, closing, day=DAY, now=street.now)
    assert (platform("revenue"), platform("creator_cost")) == (3_000, -3 * 445)
    (closed,) = selectors.closed_days()
    assert closed.is_complete
    assert (closed.revenue, closed.creator_cost) == ({"USD": 3_000}, {"USD": 3 * 445})


# --- Settlement ----------------------------------------------------------------------------------


def settle(street: Street, day: date = DAY) -> dict[str, int]:
    return services.settle_provider(
        street.book, settling, provider="sandbox", day=day, now=street.now
    )


def test_a_settlement_empties_clearing_less_the_fee_of_each_charge(street: Street) -> None:
    fan = street.holder("fan")
    street.recharge(fan, 500, 499)
    street.recharge(fan, 1_200, 999)
    street.recharge(fan, 100, 160, code="JPY")
    assert settle(street) == {"USD": 1_498, "JPY": 160}
    assert platform("provider_clearing") == platform("provider_clearing", "JPY") == 0
    assert -platform("provider_fees") == 44 + 60
    assert -platform("provider_fees", "JPY") == 5 + 30
    assert -platform("bank") == 1_498 - 104


def test_settling_twice_is_settling_once_and_charges_count_once(street: Street) -> None:
    fan = street.holder("fan")
    street.recharge(fan, 500, 499)
    assert settle(street) == {"USD": 499}
    street.recharge(fan, 500, 499)
    assert settle(street) == {}
    assert settle(street, DAY + timedelta(days=1)) == {"USD": 499}
    assert list(Settlement.objects.values_list("charges", flat=True)) == [1, 1]
    assert platform("provider_clearing") == 0


def test_refunds_are_taken_off_and_a_day_of_refunds_waits(street: Street) -> None:
    fan = street.holder("fan")
    street.recharge(fan, 500, 499)
    settle(street)
    book = street.book
    purse = book.wallet(fan, lock=True).paid
    money = Amount(499, asset("USD"))
    book.post([refund(street.key(), START, fan, purse, book.lots(fan)[0], 500, money)])
    assert settle(street, DAY + timedelta(days=1)) == {}
    street.recharge(fan, 1_200, 999)
    assert settle(street, DAY + timedelta(days=2)) == {"USD": 500}
    assert platform("provider_clearing") == 0


def test_fees_are_data_and_never_above_the_gross() -> None:
    dollar = asset("USD")
    assert rules.provider_fee("sandbox", Amount(10_000, dollar), 1).minor == 320
    assert rules.provider_fee("sandbox", Amount(10, dollar), 1).minor == 10
    with pytest.raises(UnknownProvider):
        rules.provider_fee("nobody", Amount(1, dollar), 1)


def test_keys_of_a_close_differ_by_kind_day_bucket_and_asset() -> None:
    keys = {
        rules.close_key(kind, DAY + timedelta(days=day), bucket, code)
        for kind in ("revenue", "creator_cost")
        for day in range(2)
        for bucket in range(FAN_BUCKETS)
        for code in ("", "USD")
    }
    assert len(keys) == 2 * 2 * FAN_BUCKETS * 2
