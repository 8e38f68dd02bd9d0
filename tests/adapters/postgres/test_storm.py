"""Storms on the ledger: 32 connections, 1,600 requests, one thing. Exactly the limit succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction

from largesse.adapters.postgres import checks, holding, maturing
from largesse.adapters.postgres.async_book import AsyncBook, run
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.statements import post_journals
from largesse.earnings.rules import release_at
from largesse.ledger import rules
from largesse.ledger.accounts import Account
from largesse.ledger.holds import held_gift
from largesse.ledger.journals import Journal
from largesse.live.problems import PROBLEMS
from largesse.money.ids import HolderId, creator_bucket
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    POLICY,
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
from tests.storms import REQUESTS, Attempt, journals, rounds, storm

pytestmark = [COMMITTED, pytest.mark.slow]

CREATOR = HolderId(1001)


def fan(number: int) -> HolderId:
    """The fan of a round: neighbours in the same bucket, then in others."""
    return HolderId(5 + number // 2 + 64 * (number % 2))


def giving(name: str, coins: int, holder: HolderId) -> Attempt:
    async def give(book: AsyncBook) -> str:
        [result] = await book.post_gifts([gift(name, holder, coins, creator=CREATOR)])
        assert result.balance >= 0
        return result.outcome

    return give


def posting(journal: Journal) -> Attempt:
    async def post(book: AsyncBook) -> str:
        [posted] = await book.post([journal])
        return "replayed" if posted.replayed else "posted"

    return post


def available(creator: HolderId, diamonds: int) -> None:
    """Let a creator have diamonds that can be paid out."""
    with transaction.atomic():
        DjangoBook().post([rules.maturity(key(f"m{creator}"), START, creator, diamonds)])


def earn(ledger: DjangoDriver, diamonds: int) -> None:
    """Let the creator of every round have pending diamonds, without a queue."""
    for number in rounds():
        ledger.post([recharge(f"r{number}", fan(number), 2 * diamonds)])
        ledger.post_gifts([gift("earned", fan(number), 2 * diamonds, creator=CREATOR + number)])
    roll_up_now()


@pytest.fixture(autouse=True)
def _books_hold(ledger: DjangoDriver) -> Iterator[None]:
    yield
    roll_up_now()
    assert checks.run_checks() == []


def test_refusals_of_a_storm_are_answers_and_no_faults() -> None:
    """What losers get is a 402, 403, 409 or 422 where gifts are taken in."""
    for code in ("insufficient_coins", "wallet_blocked", "idempotency_key_reused"):
        assert PROBLEMS[code][0] in {402, 403, 409, 422}


def test_one_wallet_is_spent_to_its_limit_and_no_further(ledger: DjangoDriver) -> None:
    for number in rounds():
        ledger.post([recharge(f"r{number}", fan(number), 3 * 100 + 2)])
    found = storm(lambda n: [giving(f"g{i}", 3, fan(n)) for i in range(REQUESTS)])
    assert found == [{"posted": 100, "insufficient": REQUESTS - 100} for _ in rounds()]
    assert {ledger.wallet(fan(number)).spendable for number in rounds()} == {2}


def test_one_wallet_of_bonus_and_paid_coins_is_spent_once_by_batches(ledger: DjangoDriver) -> None:
    """Batches of several fans that are taken together, and ones that are not."""
    for number in rounds():
        ledger.post([recharge(f"r{number}", fan(number), 60), bonus(f"b{number}", fan(number), 40)])

    def both(n: int, i: int) -> Attempt:
        async def give(book: AsyncBook) -> str:
            batch = [gift(f"{i}/{j}", fan(n), 1, creator=CREATOR) for j in range(1 + i % 3)]
            results = await book.post_gifts(batch)
            assert all(result.balance >= 0 for result in results)
            return str(sum(result.outcome == "posted" for result in results))

        return give

    found = storm(lambda n: [both(n, i) for i in range(REQUESTS // 2)])
    posted = [sum(int(name) * times for name, times in one.items()) for one in found]
    assert posted == [100 for _ in rounds()]


def test_one_key_from_everywhere_is_one_gift(ledger: DjangoDriver) -> None:
    for number in rounds():
        ledger.post([recharge(f"r{number}", fan(number), 10_000)])
    found = storm(lambda n: [giving("the one", 7, fan(n))] * REQUESTS)
    assert found == [{"posted": 1, "replayed": REQUESTS - 1} for _ in rounds()]
    assert {ledger.wallet(fan(number)).spendable for number in rounds()} == {9_993}


def test_one_key_with_two_bodies_is_one_gift(ledger: DjangoDriver) -> None:
    for number in rounds():
        ledger.post([recharge(f"r{number}", fan(number), 10_000)])
    found = storm(lambda n: [giving("the one", 7 + i % 2, fan(n)) for i in range(journals())])
    half = journals() // 2
    assert found == [{"posted": 1, "replayed": half - 1, "key_reused": half} for _ in rounds()]


def test_batches_that_cross_buckets_both_ways_never_deadlock(ledger: DjangoDriver) -> None:
    fans = range(1, 65)
    ledger.post([recharge(f"r{holder}", holder, 10_000) for holder in fans])

    def give_in_order(name: str, order: list[int]) -> Attempt:
        async def give(book: AsyncBook) -> str:
            results = await book.post_gifts([gift(name, holder, 1) for holder in order])
            assert {result.outcome for result in results} == {"posted"}
            return "posted"

        return give

    found = storm(
        lambda n: [
            give_in_order(f"{n}/{i}", list(fans) if i % 2 else list(reversed(fans)))
            for i in range(64)
        ]
    )
    assert found == [{"posted": 64} for _ in rounds()]
    total = len(rounds()) * 64 * 64
    assert rows("SELECT count(*), sum(coins) FROM ledger_gift") == [(total, total)]


def test_one_recharge_notified_from_everywhere_is_one_lot(ledger: DjangoDriver) -> None:
    """The return page, the notification and its copies; two bodies under one key are refused."""

    def two(n: int) -> list[Journal]:
        return [recharge(f"r{n}", fan(n), 100), recharge(f"r{n}", fan(n), 101)]

    found = storm(lambda n: [posting(two(n)[i % 2]) for i in range(journals())])
    half = journals() // 2
    assert found == [
        {"posted": 1, "replayed": half - 1, "idempotency_key_reused": half} for _ in rounds()
    ]
    assert {len(DjangoBook().lots(fan(number))) for number in rounds()} == {1}


def test_one_grant_under_one_key_is_one_lot(ledger: DjangoDriver) -> None:
    found = storm(lambda n: [posting(bonus(f"b{n}", fan(n), 30))] * journals())
    assert found == [{"posted": 1, "replayed": journals() - 1} for _ in rounds()]
    assert {ledger.wallet(fan(number)).spendable for number in rounds()} == {30}


def test_one_balance_is_paid_out_to_its_limit_and_no_further(ledger: DjangoDriver) -> None:
    earn(ledger, 100)
    rows("DELETE FROM ledger_maturing")
    for number in rounds():
        available(HolderId(CREATOR + number), 100)

    def request(n: int, i: int) -> Attempt:
        creator, name = HolderId(CREATOR + n), f"pay {n} {i}"
        return posting(rules.payout_requested(key(name), START, creator, 9, name))

    found = storm(lambda n: [request(n, i) for i in range(journals())])
    assert found == [{"posted": 11, "insufficient_balance": journals() - 11} for _ in rounds()]
    for number in rounds():
        assert DjangoBook().balance(HolderId(CREATOR + number), Account.CREATOR_AVAILABLE) == 1


def test_all_diamonds_at_once_are_paid_out_once(ledger: DjangoDriver) -> None:
    earn(ledger, 100)
    rows("DELETE FROM ledger_maturing")
    for number in rounds():
        available(HolderId(CREATOR + number), 100)

    def request(n: int, i: int) -> Attempt:
        creator, name = HolderId(CREATOR + n), f"all {n} {i}"
        return posting(rules.payout_requested(key(name), START, creator, 100, name))

    found = storm(lambda n: [request(n, i) for i in range(journals())])
    assert found == [{"posted": 1, "insufficient_balance": journals() - 1} for _ in rounds()]


def test_one_due_row_of_the_queue_is_taken_and_matured_once(ledger: DjangoDriver) -> None:
    earn(ledger, 100)
    due = release_at(START, POLICY.hold_days)

    def mature(n: int, i: int) -> Attempt:
        creator = HolderId(CREATOR + n)

        async def take(book: AsyncBook) -> str:
            async with book.connection() as connection, connection.transaction():
                diamonds = await run(connection, maturing._take(creator, due))
                if diamonds is None:
                    return "taken"
                journal = rules.maturity(key(f"m{n} {i}"), due, creator, diamonds)
                await run(connection, post_journals([journal]))
                return str(diamonds)

        return take

    found = storm(lambda n: [mature(n, i) for i in range(journals())])
    assert found == [{"100": 1, "taken": journals() - 1} for _ in rounds()]
    assert rows("SELECT count(*) FROM ledger_maturing") == [(0,)]


def test_one_lot_is_refunded_once(ledger: DjangoDriver) -> None:
    for number in rounds():
        ledger.post([recharge(f"r{number}", fan(number), 100)])

    def refunds(n: int) -> list[Attempt]:
        holder = fan(n)
        purse, [lot] = ledger.wallet(holder).paid, DjangoBook().lots(holder)
        return [
            posting(rules.refund(key(f"back {n} {i}"), START, holder, purse, lot, 100, usd(200)))
            for i in range(journals())
        ]

    prepared = {number: refunds(number) for number in rounds()}
    found = storm(lambda n: prepared[n])
    assert found == [{"posted": 1, "insufficient_balance": journals() - 1} for _ in rounds()]
    assert {ledger.wallet(fan(number)).spendable for number in rounds()} == {0}


def test_spending_and_refunding_at_once_ends_within_the_coins_there_were(
    ledger: DjangoDriver,
) -> None:
    for number in rounds():
        ledger.post([recharge(f"r{number}", fan(number), 1_000)])

    def attempts(n: int) -> list[Attempt]:
        holder = fan(n)
        purse, [lot] = ledger.wallet(holder).paid, DjangoBook().lots(holder)
        refund = rules.refund(key(f"back {n}"), START, holder, purse, lot, 400, usd(800))

        async def give_back(book: AsyncBook) -> str:
            [posted] = await book.post([refund])
            return "already back" if posted.replayed else "back"

        return [giving(f"g{i}", 1, holder) if i % 10 != 3 else give_back for i in range(REQUESTS)]

    prepared = {number: attempts(number) for number in rounds()}
    for number, found in enumerate(storm(lambda n: prepared[n])):
        assert found["posted"] == 1_000 - (400 if found["back"] else 0)
        assert found["back"] <= 1
        assert set(found) <= {
            *("posted", "insufficient", "back", "already back", "insufficient_balance")
        }
        assert ledger.wallet(fan(number)).spendable == 0


def test_one_wallet_is_given_and_held_to_its_limit_and_no_further(ledger: DjangoDriver) -> None:
    for number in rounds():
        ledger.post([recharge(f"r{number}", fan(number), 3 * 100 + 2)])

    def holding_back(n: int, i: int) -> Attempt:
        journal = held_gift(key(f"h{n} {i}"), START, fan(n), 3, 0)

        async def hold(book: AsyncBook) -> str:
            return (await book.hold(journal, "undo window", START + timedelta(hours=1))).state.value

        return hold

    def either(n: int, i: int) -> Attempt:
        return holding_back(n, i) if i % 2 else giving(f"g{i}", 3, fan(n))

    found = storm(lambda n: [either(n, i) for i in range(journals())])
    for one in found:
        assert one["posted"] + one["pending"] == 100
        assert one["insufficient"] + one["insufficient_balance"] == journals() - 100
        assert one["posted"] > 0
        assert one["pending"] > 0


def ending(n: int, way: int, name: UUID, end: datetime) -> Attempt:
    """Post, void or expire the hold of a round."""
    bucket = creator_bucket(HolderId(CREATOR + n))

    async def post(book: AsyncBook) -> str:
        return "posted" if not (await book.post_hold(bucket, name, START)).replayed else "again"

    async def void(book: AsyncBook) -> str:
        return "voided" if not (await book.void_hold(bucket, name, START)).replayed else "again"

    async def expire(book: AsyncBook) -> str:
        async with book.connection() as connection, connection.transaction():
            return "expired" if await run(connection, holding.expire_holds(end, 10)) else "none due"

    return (post, void, expire)[way % 3]


def test_one_hold_ends_once_and_one_way(ledger: DjangoDriver) -> None:
    """Posted, voided and expired by everybody at once: one wins, and stays right for ever."""
    earn(ledger, 100)
    rows("DELETE FROM ledger_maturing")
    ends = [START + timedelta(minutes=1 + number) for number in rounds()]
    for number in rounds():
        creator = HolderId(CREATOR + number)
        available(creator, 100)
        request = rules.payout_requested(key(f"h{number}"), START, creator, 100, f"pay {number}")
        with transaction.atomic():
            DjangoBook().hold(request, "payout review", ends[number])

    size = journals() // 3 * 3
    found = storm(lambda n: [ending(n, n + i, key(f"h{n}"), ends[n]) for i in range(size)])
    for number, one in enumerate(found):
        [way] = [way for way in ("posted", "voided", "expired") if one[way]]
        if way == "expired":
            assert one == {way: 1, "none due": size // 3 - 1, "hold_resolved": 2 * size // 3}
        else:
            third = size // 3
            assert one == {way: 1, "again": third - 1, "hold_resolved": third, "none due": third}
        held, free = (
            DjangoBook().balance(HolderId(CREATOR + number), account)
            for account in (Account.CREATOR_HELD, Account.CREATOR_AVAILABLE)
        )
        assert (held, free) == ((100, 0) if way == "posted" else (0, 100))
