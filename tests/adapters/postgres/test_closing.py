"""The daily close's sums, against a count coin by coin that does not use our arithmetic."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from django.db import transaction

from largesse.adapters.postgres import closing
from largesse.adapters.postgres.book import DjangoBook
from largesse.ledger import rules
from largesse.ledger.accounts import Account
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    DjangoDriver,
    bonus,
    gift,
    key,
    recharge,
    roll_up_now,
    rows,
    usd,
)

pytestmark = COMMITTED

BUCKET = 5
FANS = (5, 5 + 64, 5 + 128)


def close() -> dict[str, int]:
    """Close the bucket as finance does: read, post, remember."""
    with transaction.atomic():
        found, upto = closing.delivered(BUCKET)
        closing.mark_closed(BUCKET, upto)
        if found:
            amounts = [Amount(minor, asset(code)) for code, minor in sorted(found.items())]
            name = f"close {upto}"
            DjangoBook().post([rules.revenue_closed(key(name), START, BUCKET, amounts, name)])
        return found


def spent_coins_by_lot() -> Counter[str]:
    """What the coins of all gifts had cost, found by walking over every serial of every gift."""
    lots = rows(
        "SELECT holder, start, stop, price_minor - tax_minor, currency FROM ledger_lot "
        "WHERE class = 'paid'"
    )
    void = {
        (holder, serial)
        for holder, start, stop in rows(
            "SELECT holder, start, stop FROM ledger_void WHERE class = 'paid'"
        )
        for serial in range(start, stop)
    }
    cost: Counter[str] = Counter()
    for fan, start, stop in rows("SELECT fan, paid_from, paid_to FROM ledger_gift"):
        for serial in range(start, stop):
            if (fan, serial) in void:
                continue
            [(first, last, net, code)] = [
                (a, b, net, code) for h, a, b, net, code in lots if h == fan and a <= serial < b
            ]
            at = serial - first
            cost[code] += net * (at + 1) // (last - first) - net * at // (last - first)
    return cost


def test_nothing_delivered_is_nothing(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", 5, 10)])
    assert close() == {}
    ledger.post([bonus("b", 5, 10)])
    ledger.post_gifts([gift("g", 5, 10)])
    assert close() == {}


def test_a_gift_is_closed_once_and_at_its_lots_net_price(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", 5, 3, usd(100), usd(0))])
    parts = []
    for i in range(3):
        ledger.post_gifts([gift(f"g{i}", 5, 1)])
        parts.append(close())
        assert close() == {}
    assert parts == [{"USD": 33}, {"USD": 33}, {"USD": 34}]
    assert DjangoBook().balance(HolderId(0), Account.DEFERRED_REVENUE) == 0


def test_a_gift_over_two_lots_earns_in_both_currencies(ledger: DjangoDriver) -> None:
    yen = asset("JPY")
    ledger.post(
        [
            recharge("r", 5, 10, usd(110), usd(10)),
            recharge("s", 5, 10, Amount(2000, yen), Amount(0, yen)),
        ]
    )
    ledger.post_gifts([gift("g", 5, 14)])
    assert close() == {"USD": 100, "JPY": 800}


@pytest.mark.parametrize("seed", range(4))
def test_delivered_sums_equal_a_count_of_every_coin(ledger: DjangoDriver, seed: int) -> None:
    random = Random(seed)
    total: Counter[str] = Counter()
    for step in range(60):
        fan, name = random.choice(FANS), f"step {step}"
        match random.choice(("recharge", "gift", "gift", "gift", "bonus", "refund", "close")):
            case "recharge":
                unit = asset(random.choice(("USD", "JPY", "KWD")))
                price = random.randrange(1, 500)
                tax = random.randrange(0, price)
                money, part = Amount(price, unit), Amount(tax, unit)
                ledger.post([recharge(name, fan, random.randrange(1, 40), money, part)])
            case "bonus":
                ledger.post([bonus(name, fan, random.randrange(1, 5))])
            case "gift":
                ledger.post_gifts([gift(name, fan, random.randrange(1, 12))])
            case "refund":
                wallet, lots = ledger.wallet(HolderId(fan)), DjangoBook().lots(HolderId(fan))
                lot = random.choice(lots) if lots else None
                taken = wallet.paid.revocable(lot.serials, random.randrange(1, 9)) if lot else []
                count = sum(len(part) for part in taken)
                if lot and count:
                    back = rules.refund(
                        key(name), START, HolderId(fan), wallet.paid, lot, count, usd(5)
                    )
                    ledger.post([back])
            case "close":
                total += Counter(close())
    total += Counter(close())
    assert total == spent_coins_by_lot()


def test_diamonds_by_policy_are_those_of_the_earnings(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", 5, 100)])
    for i in range(3):
        ledger.post_gifts([gift(f"g{i}", 5, 7)])
        roll_up_now()
    with transaction.atomic():
        assert closing.diamonds_by_policy(64 + 1001 % 64) == {1: 10}
        assert closing.diamonds_by_policy(127) == {}
    assert closing.platform_balance(64 + 1001 % 64, Account.REDEEMED, "COIN") == 21
    assert closing.platform_balance(127, Account.REDEEMED, "COIN") == 0
