"""Lots that expire: once, whoever sweeps and wherever it is cut, and never under a hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction

from largesse.adapters.postgres import checks, expiring
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.reading import platform_balances
from largesse.ledger import rules
from largesse.ledger.lots import CoinClass
from largesse.ledger.rules import Payment
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId
from largesse.recharge.expiry.services import Expired, expire_lots
from largesse.recharge.ports import ExpiringLot, ExpiringLots
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    DjangoDriver,
    empty_ledger,
    gift,
    key,
    known_policies,
    rows,
    usd,
)

pytestmark = COMMITTED

DAY = timedelta(days=1)
FAN, OTHER = HolderId(5), HolderId(6)


@pytest.fixture
def ledger(transactional_db: None) -> Iterator[DjangoDriver]:
    empty_ledger()
    with known_policies():
        yield DjangoDriver()
    empty_ledger()


def grant(ledger: DjangoDriver, name: str, fan: HolderId, coins: int, days: int) -> None:
    made = rules.bonus_granted(key(name), START, fan, coins, name, START + days * DAY)
    ledger.post([made])


def buy(ledger: DjangoDriver, name: str, coins: int, price: Amount, tax: int, days: int) -> None:
    payment = Payment(price, Amount(tax, price.asset), "web", name)
    at = START + days * DAY
    ledger.post([rules.recharge_captured(key(name), START, FAN, coins, payment, at)])


def sweep(day: float, queue: ExpiringLots = expiring, book: DjangoBook | None = None) -> Expired:
    return expire_lots(book=book or DjangoBook(), queue=queue, now=START + day * DAY)


def waiting() -> int:
    return int(rows("SELECT count(*) FROM ledger_expiring")[0][0])


def test_what_is_left_of_a_lot_expires_when_its_time_has_come(ledger: DjangoDriver) -> None:
    grant(ledger, "welcome", FAN, 10, days=7)
    grant(ledger, "weekend", FAN, 5, days=2)
    ledger.post([rules.bonus_granted(key("gift"), START, FAN, 3, "for ever")])
    ledger.post_gifts([gift("g", FAN, 4)])
    assert sweep(1.9) == Expired(0, 0)
    assert sweep(2) == Expired(1, 5)
    assert ledger.wallet(FAN).bonus.balance == 9
    assert sweep(2) == Expired(0, 0)
    assert sweep(99) == Expired(1, 6)
    assert ledger.wallet(FAN).bonus.balance == 3
    assert waiting() == 0
    events = rows("SELECT event, reference FROM ledger_journal WHERE event = 'expiry' ORDER BY seq")
    assert events == [("expiry", "weekend"), ("expiry", "welcome")]
    assert checks.run_checks() == []


def test_a_lot_that_was_all_spent_leaves_the_queue_without_a_journal(ledger: DjangoDriver) -> None:
    grant(ledger, "welcome", FAN, 4, days=1)
    ledger.post_gifts([gift("g", FAN, 4)])
    assert sweep(1) == Expired(1, 0)
    assert waiting() == 0
    assert rows("SELECT count(*) FROM ledger_journal WHERE event = 'expiry'") == [(0,)]


def test_bought_coins_that_expire_are_earned_and_their_tax_stays_owed(ledger: DjangoDriver) -> None:
    buy(ledger, "rch_a", 100, usd(1000), tax=100, days=30)
    buy(ledger, "rch_b", 10, Amount(900, asset("JPY")), tax=0, days=60)
    ledger.post_gifts([gift("g", FAN, 25)])
    assert sweep(30) == Expired(1, 75)
    held = platform_balances()
    assert held["deferred_revenue", "USD"] == 225
    assert held["revenue", "USD"] == 675
    assert held["tax_payable", "USD"] == 100
    assert held["expired", "COIN"] == 75
    assert ledger.wallet(FAN).paid.balance == 10
    assert checks.run_checks() == []


def test_a_hold_keeps_a_lot_until_it_ends(ledger: DjangoDriver) -> None:
    grant(ledger, "welcome", FAN, 10, days=1)
    grant(ledger, "welcome 6", OTHER, 10, days=1)
    rows("UPDATE ledger_wallet SET bonus_held = 3 WHERE holder = 5")
    assert sweep(1) == Expired(1, 10)
    assert ledger.wallet(FAN).bonus.balance == 7
    assert waiting() == 1
    rows("UPDATE ledger_wallet SET bonus_held = 0 WHERE holder = 5")
    assert sweep(1) == Expired(1, 10)


class Cut(Exception):
    """The process ended here."""


class CutBook(DjangoBook):
    """A book whose process ends right after its n-th posting."""

    def __init__(self, after: int) -> None:
        self.left = after

    def post(self, journals):
        posted = super().post(journals)
        self.left -= 1
        if not self.left:
            raise Cut
        return posted


class CutQueue:
    """The queue, whose caller's process ends before or after its n-th taking."""

    def __init__(self, after: int, step: str) -> None:
        self.left, self.has_taken = after, step == "after it is taken"

    def due(self, now: datetime) -> Iterator[ExpiringLot]:
        return expiring.due(now)

    def take(self, due: ExpiringLot) -> bool:
        self.left -= 1
        taken = expiring.take(due) if self.left or self.has_taken else False
        if not self.left:
            raise Cut
        return taken


@pytest.mark.parametrize("after", [1, 2, 5])
@pytest.mark.parametrize("step", ["before it is taken", "after it is taken", "after it is posted"])
def test_a_sweep_that_is_cut_loses_and_repeats_nothing(
    ledger: DjangoDriver, step: str, after: int
) -> None:
    for number in range(6):
        grant(ledger, f"lot {number}", HolderId(5 + number % 3), 10, days=1)
    book = CutBook(after) if step == "after it is posted" else DjangoBook()
    queue = expiring if step == "after it is posted" else CutQueue(after, step)
    with pytest.raises(Cut):
        sweep(1, queue, book)
    assert waiting() == 7 - after
    assert sweep(1) == Expired(7 - after, 10 * (7 - after))
    assert rows("SELECT sum(stop - start), count(*) FROM ledger_void") == [(60, 6)]
    assert checks.run_checks() == []


def test_sweeps_at_once_share_the_lots(ledger: DjangoDriver) -> None:
    for number in range(20):
        grant(ledger, f"lot {number}", HolderId(1 + number), 3, days=1)

    def run(_: int) -> Expired:
        try:
            return sweep(1)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(run, range(4)))
    assert sum(one.lots for one in done) == 20
    assert sum(one.coins for one in done) == 60
    assert rows("SELECT count(*) FROM ledger_journal WHERE event = 'expiry'") == [(20,)]


def test_the_queue_is_read_page_by_page_and_only_as_far_as_it_is_due(
    ledger: DjangoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "_FETCHED", 2)
    for number, days in itertools.product(range(4), (1, 5)):
        grant(ledger, f"lot {number} {days}", FAN, 1 + number, days=days)
    found = list(expiring.due(START + DAY))
    assert sorted(len(one.lot.serials) for one in found) == [1, 2, 3, 4]
    assert {one.coin_class for one in found} == {CoinClass.BONUS}
    assert len(list(expiring.due(START + 5 * DAY))) == 8


def test_a_lot_is_queued_once_however_often_it_is_posted(ledger: DjangoDriver) -> None:
    for _ in range(3):
        grant(ledger, "welcome", FAN, 10, days=1)
    assert waiting() == 1
    with transaction.atomic():
        [due] = expiring.due(START + DAY)
        assert expiring.take(due)
        assert not expiring.take(due)
