"""Storms: 32 connections at once on one wallet, key or balance. Exactly the limit succeeds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest

from largesse.adapters.postgres import checks
from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.adapters.postgres.book import DjangoBook
from largesse.ledger import rules
from largesse.ledger.accounts import Account
from largesse.ledger.errors import InsufficientBalance, KeyReused
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    DjangoDriver,
    database_url,
    gift,
    key,
    recharge,
    roll_up_now,
    rows,
    usd,
)

pytestmark = COMMITTED

FAN, CREATOR = HolderId(5), HolderId(1001)
CONNECTIONS = 32

Attempt = Callable[[AsyncBook], Awaitable[str]]


def storm(attempts: Sequence[Attempt]) -> Counter[str]:
    """Make all attempts at once, over 32 connections; count what became of them."""

    async def make_all() -> Counter[str]:
        pool = open_pool(database_url(), size=CONNECTIONS)
        pool.timeout = 60
        await pool.open()
        try:
            book = AsyncBook(pool)
            return Counter(await asyncio.gather(*(attempt(book) for attempt in attempts)))
        finally:
            await pool.close()

    return asyncio.run(make_all())


def giving(name: str, coins: int, *, fan: int = FAN, creator: int = CREATOR) -> Attempt:
    async def give(book: AsyncBook) -> str:
        [result] = await book.post_gifts([gift(name, fan, coins, creator=creator)])
        assert result.balance >= 0
        return result.outcome

    return give


@pytest.fixture(autouse=True)
def _books_hold(ledger: DjangoDriver) -> object:
    yield
    roll_up_now()
    assert checks.run_checks() == []


def test_one_wallet_is_spent_to_its_limit_and_no_further(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 3 * 100)])
    found = storm([giving(f"g{i}", 3) for i in range(400)])
    assert found == {"posted": 100, "insufficient": 300}
    assert ledger.wallet(FAN).spendable == 0


def test_one_key_from_everywhere_is_one_gift(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 10_000)])
    assert storm([giving("the one", 7)] * 300) == {"posted": 1, "replayed": 299}
    assert ledger.wallet(FAN).spendable == 9_993


def test_one_key_with_two_bodies_is_one_gift(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 10_000)])
    found = storm([giving("the one", 7 + i % 2) for i in range(200)])
    assert found == {"posted": 1, "replayed": 99, "key_reused": 100}


def test_batches_that_cross_buckets_both_ways_never_deadlock(ledger: DjangoDriver) -> None:
    fans = range(1, 65)
    ledger.post([recharge(f"r{fan}", fan, 50) for fan in fans])

    def give_in_order(number: int) -> Attempt:
        order = list(fans) if number % 2 else list(reversed(fans))

        async def give(book: AsyncBook) -> str:
            results = await book.post_gifts([gift(f"{number}", fan, 1) for fan in order])
            assert {result.outcome for result in results} == {"posted"}
            return "posted"

        return give

    assert storm([give_in_order(number) for number in range(50)]) == {"posted": 50}
    assert rows("SELECT count(*), sum(coins) FROM ledger_gift") == [(3200, 3200)]


def posting(name: str, *, coins: int) -> Attempt:
    async def post(book: AsyncBook) -> str:
        try:
            [posted] = await book.post([recharge(name, FAN, coins)])
        except KeyReused:
            return "key_reused"
        return "replayed" if posted.replayed else "posted"

    return post


def test_one_recharge_notified_from_everywhere_is_one_lot(ledger: DjangoDriver) -> None:
    assert storm([posting("r", coins=100)] * 200) == {"posted": 1, "replayed": 199}
    assert storm([posting("r", coins=100 + i % 2) for i in range(100)]) == {
        "replayed": 50,
        "key_reused": 50,
    }
    assert len(DjangoBook().lots(FAN)) == 1


def test_one_balance_is_paid_out_to_its_limit_and_no_further(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 200)])
    ledger.post_gifts([gift("g", FAN, 200)])
    roll_up_now()
    rows("DELETE FROM ledger_maturing")
    ledger.post([rules.maturity(key("m"), START, CREATOR, 100)])

    def request(number: int) -> Attempt:
        async def post(book: AsyncBook) -> str:
            name = f"pay {number}"
            try:
                await book.post([rules.payout_requested(key(name), START, CREATOR, 9, name)])
            except InsufficientBalance:
                return "insufficient"
            return "posted"

        return post

    assert storm([request(number) for number in range(100)]) == {"posted": 11, "insufficient": 89}
    assert DjangoBook().balance(CREATOR, Account.CREATOR_AVAILABLE) == 1


def test_one_lot_is_refunded_once(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 100)])
    wallet, [lot] = ledger.wallet(FAN), DjangoBook().lots(FAN)

    def give_back(number: int) -> Attempt:
        async def post(book: AsyncBook) -> str:
            made = rules.refund(key(f"back {number}"), START, FAN, wallet.paid, lot, 100, usd(200))
            try:
                await book.post([made])
            except InsufficientBalance:
                return "insufficient"
            return "posted"

        return post

    assert storm([give_back(number) for number in range(64)]) == {"posted": 1, "insufficient": 63}
    assert ledger.wallet(FAN).spendable == 0


def test_spending_and_refunding_at_once_ends_within_the_coins_there_were(
    ledger: DjangoDriver,
) -> None:
    ledger.post([recharge("r", FAN, 100)])
    wallet, [lot] = ledger.wallet(FAN), DjangoBook().lots(FAN)

    async def give_back(book: AsyncBook) -> str:
        made = rules.refund(key("back"), START, FAN, wallet.paid, lot, 40, usd(80))
        try:
            [posted] = await book.post([made])
        except InsufficientBalance:
            return "too late"
        return "already back" if posted.replayed else "back"

    found = storm([giving(f"g{i}", 1) if i % 10 else give_back for i in range(200)])
    taken = 40 if found["back"] else 0
    assert found["posted"] == 100 - taken
    assert ledger.wallet(FAN).spendable == 0
