"""Provenance on PostgreSQL: a chargeback touches what its lot funded, and both ways agree."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction

from largesse.adapters.postgres import checks, provenance
from largesse.adapters.postgres.book import DjangoBook
from largesse.ledger import rules
from largesse.ledger.lots import CoinClass, SerialRange, SpendOrder, lot_of
from largesse.ledger.provenance import Cashed, quote_gift
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, creator_bucket, fan_bucket
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

FANS = (5, 6, 5 + 64)
CREATORS = (1001, 1002)
ALL_ROWS = ("gift", "lot", "void", "wallet", "account", "transfer", "journal", "earning")


def everything() -> dict[str, set[tuple[Any, ...]]]:
    """Every row of the ledger, whole, by table."""
    return {
        name: {row[0] for row in rows(f"SELECT t::text FROM ledger_{name} t")} for name in ALL_ROWS
    }


def live_a_life(ledger: DjangoDriver, seed: int, steps: int = 60) -> None:
    """Random recharges, bonuses, gifts, refunds of parts and changes of the spend order."""
    random = Random(seed)
    for step in range(steps):
        fan, name = HolderId(random.choice(FANS)), f"step {step}"
        match random.choice(("recharge", "recharge", "gift", "gift", "gift", "bonus", "refund")):
            case "recharge":
                unit = asset(random.choice(("USD", "JPY", "KWD")))
                price = random.randrange(1, 900)
                money = Amount(price, unit), Amount(price // 8, unit)
                ledger.post([recharge(name, fan, random.randrange(1, 60), *money)])
            case "bonus":
                ledger.post([bonus(name, fan, random.randrange(1, 9))])
                order = random.choice(tuple(SpendOrder))
                with transaction.atomic():
                    DjangoBook().spend_in_order(fan, order)
            case "gift":
                to = random.choice(CREATORS)
                ledger.post_gifts([gift(name, fan, random.randrange(1, 40), creator=to)])
            case "refund":
                give_back(ledger, name, fan, random)
        if step % 9 == 8:
            roll_up_now(START + timedelta(seconds=step))


def give_back(ledger: DjangoDriver, name: str, fan: HolderId, random: Random) -> None:
    """Refund unspent coins of a random lot, so that no debt ends the fan's giving."""
    wallet, lots = ledger.wallet(fan), DjangoBook().lots(fan)
    lot = random.choice(lots) if lots else None
    taken = wallet.paid.revocable(lot.serials, random.randrange(1, 20)) if lot else []
    count = sum(len(part) for part in taken)
    if lot and count:
        money = Amount(lot.price_minor, asset(lot.currency))
        ledger.post([rules.refund(key(name), START, fan, wallet.paid, lot, count, money)])


def fates(fan: int) -> dict[int, str]:
    """What became of every paid serial of a fan, counted one by one from the rows."""
    found = {}
    void = {
        serial
        for start, stop in rows(
            "SELECT start, stop FROM ledger_void WHERE holder = %s AND class = 'paid'", fan
        )
        for serial in range(start, stop)
    }
    issued = rows("SELECT paid_issued FROM ledger_wallet WHERE holder = %s", fan)
    for serial in range(issued[0][0] if issued else 0):
        found[serial] = "void" if serial in void else "unspent"
    for seq, start, stop in rows(
        "SELECT seq, paid_from, paid_to FROM ledger_gift WHERE fan=%s", fan
    ):
        for serial in range(start, stop):
            if serial not in void:
                found[serial] = f"gift {seq}"
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_lot_names_its_gifts_and_every_minor_unit_is_somewhere(
    ledger: DjangoDriver, seed: int
) -> None:
    live_a_life(ledger, seed)
    checked = 0
    for fan in map(HolderId, FANS):
        fate = fates(fan)
        cost_of_gifts: Counter[str] = Counter()
        for lot in DjangoBook().lots(fan):
            [row] = provenance.lots_of_reference(fan, lot.reference)
            own = [fate[serial] for serial in range(lot.serials.start, lot.serials.stop)]
            found = list(provenance.funded_gifts(row))
            assert {f"gift {one.gift.seq}": one.coins for one in found} == {
                name: own.count(name) for name in own if name.startswith("gift")
            }
            trace = provenance.trace_lot(row)
            assert trace.use.spent + trace.use.void + trace.use.unspent == len(own)
            assert sum(part.coins for part in trace.voided) == trace.use.void
            minor = [sum(one.minor for one in found), sum(part.minor for part in trace.voided)]
            assert sum(minor) + trace.use.unspent_minor == lot.price_minor
            cost_of_gifts[lot.currency] += minor[0]
            checked += len(found)
        told: Counter[str] = Counter()
        for (seq,) in rows("SELECT seq FROM ledger_gift WHERE fan = %s", fan):
            back = provenance.trace_gift(fan_bucket(fan), seq)
            assert back is not None
            assert sum(piece.coins for _, piece in back.sources) == back.gift.coins
            for row, piece in back.sources:
                told[piece.lot.currency] += piece.minor
                assert (piece.minor == 0) or row.coin_class is CoinClass.PAID
        assert +told == +cost_of_gifts
    assert checked > 10


@pytest.mark.parametrize("seed", range(4, 8))
def test_a_chargeback_touches_its_own_lot_and_nothing_else(ledger: DjangoDriver, seed: int) -> None:
    live_a_life(ledger, seed)
    random = Random(seed)
    fan = HolderId(random.choice([f for f in FANS if DjangoBook().lots(HolderId(f))]))
    lot = random.choice(DjangoBook().lots(fan))
    [row] = provenance.lots_of_reference(fan, lot.reference)
    funded = list(provenance.funded_gifts(row))
    before, wallet = everything(), ledger.wallet(fan)
    money = Amount(lot.price_minor or 1, asset(lot.currency))
    coins = len(lot.serials)
    ledger.post([rules.refund(key("dispute"), START, fan, wallet.paid, lot, coins, money)])
    after, now = everything(), ledger.wallet(fan)
    for name in ("gift", "lot", "earning"):
        assert after[name] == before[name]
    for name in ("void", "transfer", "journal"):
        assert before[name] <= after[name]
    assert len(before["wallet"] - after["wallet"]) == 1
    people = {line for line in before["account"] if not str(line).startswith("(0,")}
    assert people <= after["account"]
    own = rows(
        "SELECT start, stop FROM ledger_void v JOIN ledger_journal j USING (bucket, seq) "
        "WHERE j.id = %s",
        key("dispute"),
    )
    assert all(lot.serials.start <= a < b <= lot.serials.stop for a, b in own)
    assert (now.paid.issued, now.paid.next, now.bonus) == (
        wallet.paid.issued,
        wallet.paid.next,
        wallet.bonus,
    )
    assert now.debt - wallet.debt == coins - sum(b - a for a, b in own)
    assert list(provenance.funded_gifts(row)) == funded
    assert checks.run_checks() == []


def test_a_gift_leads_to_its_payments_and_to_its_payout(ledger: DjangoDriver) -> None:
    fan, creator = HolderId(5), HolderId(1001)
    ledger.post([bonus("welcome", fan, 6), recharge("rch_a", fan, 10, usd(100))])
    ledger.post([recharge("rch_b", fan, 100, usd(900))])
    ledger.post_gifts([gift("first", fan, 20)])
    roll_up_now()
    ledger.post_gifts([gift("second", fan, 30)])
    roll_up_now(START + timedelta(seconds=1))
    ledger.post_gifts([gift("third", fan, 2)])
    ledger.post([rules.maturity(key("m"), START, creator, 25)])
    for name, diamonds in (("pay_1", 4), ("pay_2", 9), ("pay_3", 12)):
        ledger.post([rules.payout_requested(key(name), START, creator, diamonds, name)])
    ledger.post([rules.payout_settled(key("s"), START, creator, 4, usd(40), usd(1), "pay_1")])
    ledger.post([rules.payout_returned(key("r"), START, creator, 9, "pay_2", "closed")])
    places = [seq for (seq,) in rows("SELECT seq FROM ledger_gift WHERE fan = 5 ORDER BY seq")]
    first, second, third = (provenance.trace_gift(5, seq) for seq in places)
    assert first is not None
    assert second is not None
    assert third is not None
    assert [(row.lot.reference, p.coins, p.minor) for row, p in first.sources] == [
        ("welcome", 6, 0),
        ("rch_a", 10, 100),
        ("rch_b", 4, 36),
    ]
    assert first.onward.earning is not None
    assert (first.onward.earning.coins, first.onward.earning.diamonds) == (20, 10)
    assert first.onward.payouts == (Cashed("pay_1", 4, "paid"), Cashed("pay_3", 6, "held"))
    assert second.onward.payouts == (Cashed("pay_3", 6, "held"),)
    assert third.onward == provenance.Onward(None, ())
    payout = provenance.trace_payout(creator, "pay_3")
    assert payout is not None
    assert [(earning.coins, taken) for earning, taken in payout.earnings] == [(20, 6), (30, 6)]
    assert provenance.trace_payout(creator, "pay_2") is None
    [row] = provenance.lots_of_reference(fan, "rch_b")
    trace = provenance.trace_lot(row)
    assert [(one.gift.seq, one.coins) for one, _ in trace.gifts] == list(
        zip(places, (4, 30, 2), strict=True)
    )
    assert trace.gifts[0][1] == first.onward
    assert provenance.trace_gift(5, places[-1] + 1) is None
    assert provenance.lots_of_journal(5, row.seq) == [row]
    assert provenance.lots_of_journal(creator_bucket(creator), 1) == []


def test_the_gifts_of_a_late_lot_are_found_without_the_gifts_before_it(
    ledger: DjangoDriver,
) -> None:
    ledger.post([recharge("early", 5, 100), recharge("late", 5, 10)])
    ledger.post_gifts([gift(f"g{n}", 5, 1) for n in range(104)])
    [row] = provenance.lots_of_reference(HolderId(5), "late")
    # What lies before the lot could not even be read.
    rows("DELETE FROM ledger_gift WHERE fan = 5 AND paid_to < 90")
    assert [one.gift.paid for one in provenance.funded_gifts(row)] == [
        SerialRange(serial, serial + 1) for serial in range(100, 104)
    ]


def test_a_quote_is_what_the_gift_then_costs(ledger: DjangoDriver) -> None:
    fan = HolderId(5)
    ledger.post([recharge("a", fan, 7, usd(100)), bonus("b", fan, 3), recharge("c", fan, 9)])
    lot = lot_of(DjangoBook().lots(fan), "a")
    wallet = ledger.wallet(fan)
    ledger.post([rules.refund(key("back"), START, fan, wallet.paid, lot, 2, usd(29))])
    for order, expected in ((SpendOrder.BONUS_FIRST, (3, 3)), (SpendOrder.PAID_FIRST, (6, 0))):
        with transaction.atomic():
            DjangoBook().spend_in_order(fan, order)
        quote = quote_gift(ledger.wallet(fan), DjangoBook().lots(fan), 6)
        [result] = ledger.post_gifts([gift(order.value, fan, 6)])
        assert (quote.paid, quote.bonus) == expected == (6 - result.bonus, result.bonus)
        traced = provenance.trace_gift(fan_bucket(fan), result.seq)
        assert traced is not None
        paid = [piece for row, piece in traced.sources if row.coin_class is CoinClass.PAID]
        assert tuple(paid) == quote.pieces
        assert sum(piece.minor for piece in paid) == quote.cost["USD"]
