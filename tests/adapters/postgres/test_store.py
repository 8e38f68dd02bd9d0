"""Journals on real PostgreSQL, through both executors: replay, refusals, lots, voids, errors."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from largesse.adapters.postgres import checks, statements
from largesse.adapters.postgres.book import DjangoBook, run
from largesse.ledger import rules
from largesse.ledger.accounts import Account
from largesse.ledger.errors import InsufficientBalance, KeyReused
from largesse.ledger.journals import Journal
from largesse.ledger.lots import Purse, SerialRange
from largesse.money.amounts import MAX_MINOR, Amount, BadAmount
from largesse.money.assets import asset
from largesse.money.errors import InvariantViolation, TransientError
from largesse.money.ids import PLATFORM, HolderId
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    AsyncDriver,
    DjangoDriver,
    Driver,
    bonus,
    database_url,
    gift,
    key,
    recharge,
    rows,
    usd,
)

pytestmark = COMMITTED

FAN, OTHER = HolderId(5), HolderId(6)
CREATOR = HolderId(1001)


def count(table: str) -> object:
    return rows(f"SELECT count(*) FROM {table}")[0][0]


def test_recharge_issues_one_lot_of_what_was_bought(book: Driver) -> None:
    [posted] = book.post([recharge("r", FAN, 100)])
    assert (posted.bucket, posted.seq, posted.replayed) == (5, 1, False)
    assert book.wallet(FAN).paid == Purse(100, 0)
    [lot] = DjangoBook().lots(FAN)
    assert (lot.serials, lot.price_minor, lot.tax_minor, lot.currency, lot.reference) == (
        SerialRange(0, 100),
        200,
        20,
        "USD",
        "r",
    )
    assert DjangoBook().balance(PLATFORM, Account.DEFERRED_REVENUE) == 180
    assert checks.run_checks() == []


@pytest.mark.parametrize(
    "reference",
    ["", "NULL", "null", '"', "\\", "{a,b}", "a, 'b'", "%s", "\n", "\u00fc\U0001f43c", "\\x41"],
)
def test_references_are_kept_to_the_letter(book: Driver, reference: str) -> None:
    posted = replace(recharge("odd", FAN, 10), reference=reference, detail={"why": reference})
    book.post([posted, recharge("other", FAN, 10)])
    assert rows("SELECT reference, detail ->> 'why' FROM ledger_journal ORDER BY seq LIMIT 1") == [
        (reference, reference)
    ]


def test_replay_posts_nothing_and_says_where_the_journal_stands(book: Driver) -> None:
    [first] = book.post([recharge("r", FAN, 100)])
    again = book.post([recharge("r", FAN, 100), recharge("s", FAN, 1), recharge("r", FAN, 100)])
    assert [(p.seq, p.replayed) for p in again] == [(first.seq, True), (2, False), (1, True)]
    assert book.wallet(FAN).paid == Purse(101, 0)
    assert count("ledger_journal") == 2


def test_replay_at_another_time_is_a_replay(book: Driver) -> None:
    book.post([recharge("r", FAN, 100)])
    later = recharge("r", FAN, 100, at=START + timedelta(days=3))
    [again] = book.post([dataclasses.replace(later, id=key("r"))])
    assert again.replayed


def test_same_journal_twice_in_one_call_is_posted_once(book: Driver) -> None:
    posted = book.post([recharge("r", FAN, 100), recharge("r", FAN, 100)])
    assert [(p.seq, p.replayed) for p in posted] == [(1, False), (1, True)]
    assert book.wallet(FAN).spendable == 100


@pytest.mark.parametrize(
    "other",
    [
        recharge("r", FAN, 101),
        recharge("r", FAN, 100, usd(201), usd(20)),
        dataclasses.replace(recharge("r", FAN, 100), reference="another"),
        rules.recharge_captured(
            key("r"), START, FAN, 100, rules.Payment(usd(200), usd(20), "appstore", "r")
        ),
        dataclasses.replace(bonus("b", FAN, 100), id=key("r")),
    ],
    ids=["coins", "price", "reference", "channel", "event"],
)
def test_key_of_another_journal_is_refused_and_nothing_posted(book: Driver, other: Journal) -> None:
    book.post([recharge("r", FAN, 100)])
    with pytest.raises(KeyReused, match=str(key("r"))):
        book.post([recharge("s", FAN, 7), other, recharge("t", OTHER, 7)])
    assert book.wallet(FAN).spendable == 100
    assert count("ledger_journal") == 1
    assert checks.run_checks() == []


def test_two_bodies_under_one_key_in_one_call_are_refused(book: Driver) -> None:
    with pytest.raises(KeyReused):
        book.post([recharge("r", FAN, 100), recharge("r", FAN, 101)])
    assert count("ledger_journal") == 0


def test_refused_key_leaves_nothing_even_if_the_caller_goes_on(ledger: DjangoDriver) -> None:
    """The promise of `Book.post`: whoever catches KeyReused cannot commit the other journals."""
    ledger.post([recharge("r", FAN, 100)])

    def post_and_go_on() -> None:
        with transaction.atomic():
            with pytest.raises(KeyReused):
                DjangoBook().post([recharge("s", FAN, 7), recharge("r", FAN, 101)])
            rows("SELECT 1")

    with pytest.raises(DatabaseError):
        post_and_go_on()
    assert ledger.wallet(FAN).spendable == 100


def test_one_key_of_two_fans_is_two_journals(book: Driver) -> None:
    posted = book.post([recharge("r", FAN, 100), recharge("r", OTHER, 50)])
    assert [p.replayed for p in posted] == [False, False]


def test_journals_of_one_fan_in_one_call_issue_serials_in_order(book: Driver) -> None:
    book.post(
        [
            recharge("r1", FAN, 10),
            bonus("b1", FAN, 3),
            recharge("r2", FAN, 20, usd(50)),
            recharge("r3", OTHER, 7),
            bonus("b2", FAN, 4),
            recharge("r4", FAN, 5),
        ]
    )
    assert [lot.serials for lot in DjangoBook().lots(FAN)] == [
        SerialRange(0, 10),
        SerialRange(10, 30),
        SerialRange(30, 35),
    ]
    wallet = book.wallet(FAN)
    assert (wallet.paid, wallet.bonus) == (Purse(35, 0), Purse(7, 0))
    assert rows("SELECT seq, start, stop FROM ledger_lot WHERE class = 'bonus' ORDER BY seq") == [
        (2, 0, 3),
        (4, 3, 7),
    ]
    assert checks.run_checks() == []


def test_two_lots_in_one_journal(book: Driver) -> None:
    paid, free = recharge("r", FAN, 10), bonus("b", FAN, 2)
    both = dataclasses.replace(
        paid, transfers=paid.transfers + free.transfers, lots=paid.lots + free.lots
    )
    book.post([both])
    assert book.wallet(FAN).spendable == 12
    assert book.post([both])[0].replayed


@pytest.mark.parametrize(
    "journal",
    [
        rules.maturity(key("x"), START, CREATOR, 1),
        rules.payout_requested(key("x"), START, CREATOR, 1, "pay"),
        rules.payout_settled(key("x"), START, CREATOR, 1, usd(1), usd(0), "pay"),
        rules.payout_returned(key("x"), START, CREATOR, 1, "pay", "closed"),
        rules.payout_bounced(key("x"), START, CREATOR, 1, usd(1), usd(0), "pay", "closed"),
    ],
    ids=["maturity", "requested", "settled", "returned", "bounced"],
)
def test_no_creator_account_is_overdrawn(book: Driver, journal: Journal) -> None:
    with pytest.raises(InsufficientBalance):
        book.post([recharge("r", FAN, 10), journal])
    assert count("ledger_journal") == count("ledger_account") == count("ledger_wallet") == 0
    assert checks.run_checks() == []


def test_serials_are_voided_once_and_only_while_unspent(book: Driver) -> None:
    book.post([recharge("r", FAN, 10)])
    purse = book.wallet(FAN).paid
    [lot] = DjangoBook().lots(FAN)
    first, second = (
        rules.refund(key(name), START, FAN, purse, lot, 4, usd(8)) for name in ("a", "b")
    )
    book.post([first])
    with pytest.raises(InsufficientBalance):
        book.post([second])
    book.post_gifts([gift("g", FAN, 6)])
    stale = rules.refund(key("c"), START, FAN, Purse(10, 5), lot, 5, usd(8))
    with pytest.raises(InsufficientBalance):
        book.post([stale])
    assert book.wallet(FAN).paid.balance == 0
    assert checks.run_checks() == []


@pytest.mark.parametrize(
    "overlapping",
    [SerialRange(2, 5), SerialRange(5, 9), SerialRange(4, 6), SerialRange(0, 10)],
    ids=["from below", "from above", "inside", "around"],
)
def test_void_ranges_never_overlap(book: Driver, overlapping: SerialRange) -> None:
    book.post([recharge("r", FAN, 10)])
    [lot] = DjangoBook().lots(FAN)
    # A purse as it would be read before somebody else's refund was posted.
    middle = Purse(10, 0, (SerialRange(0, 3), SerialRange(7, 10)))
    book.post([rules.refund(key("a"), START, FAN, middle, lot, 4, usd(8))])
    around = (SerialRange(0, overlapping.start), SerialRange(overlapping.stop, 10))
    stale = Purse(10, 0, tuple(part for part in around if len(part)))
    count = len(overlapping)
    with pytest.raises(InsufficientBalance):
        book.post([rules.refund(key("b"), START, FAN, stale, lot, count, usd(8))])
    assert book.wallet(FAN).paid == Purse(10, 0, (SerialRange(3, 7),))
    assert checks.run_checks() == []


def test_debt_is_never_overpaid(book: Driver) -> None:
    book.post([recharge("r", FAN, 10)])
    wallet = book.wallet(FAN)
    too_much = rules.debt_repaid(key("d"), START, FAN, wallet.paid, DjangoBook().lots(FAN), 3)
    assert too_much is not None
    with pytest.raises(InsufficientBalance):
        book.post([too_much])
    assert book.wallet(FAN).spendable == 10


def test_amounts_beyond_a_bigint_are_refused_as_amounts(book: Driver) -> None:
    book.post([recharge("r", FAN, MAX_MINOR - 1, usd(2))])
    with pytest.raises(BadAmount):
        book.post([recharge("s", FAN, 2)])
    assert book.wallet(FAN).spendable == MAX_MINOR - 1


def test_currencies_stay_apart(book: Driver) -> None:
    yen = Amount(3000, asset("JPY"))
    book.post([recharge("r", FAN, 10), recharge("s", FAN, 10, yen, Amount(300, yen.asset))])
    held = dict(rows("SELECT asset, balance FROM ledger_account WHERE code = 'deferred_revenue'"))
    assert held == {"USD": 18, "JPY": 2700}
    assert checks.run_checks() == []


def test_journals_are_posted_inside_a_transaction_only(ledger: DjangoDriver) -> None:
    with pytest.raises(InvariantViolation):
        DjangoBook().post([recharge("r", FAN, 1)])


def test_posting_and_state_change_roll_back_together(ledger: DjangoDriver) -> None:
    @transaction.atomic
    def post_and_fail() -> None:
        DjangoBook().post([recharge("r", FAN, 1)])
        raise RuntimeError("the order failed")

    with pytest.raises(RuntimeError, match="the order failed"):
        post_and_fail()
    assert ledger.wallet(FAN).spendable == 0


def test_balance_of_the_platform_sums_buckets_and_of_a_creator_reads_one(book: Driver) -> None:
    book.post([recharge("r", FAN, 10), recharge("s", OTHER, 20)])
    assert DjangoBook().balance(PLATFORM, Account.ISSUED) == -30
    assert DjangoBook().balance(CREATOR, Account.CREATOR_AVAILABLE, lock=False) == 0
    with transaction.atomic():
        assert DjangoBook().balance(CREATOR, Account.CREATOR_AVAILABLE, lock=True) == 0
    book.post_gifts([gift("g", FAN, 4)])
    assert DjangoBook().balance(PLATFORM, Account.GIFT_CLEARING) == 4


def test_locked_wallet_keeps_still(ledger: DjangoDriver, async_ledger: AsyncDriver) -> None:
    ledger.post([recharge("r", FAN, 10)])
    with transaction.atomic():
        assert DjangoBook().wallet(FAN, lock=True).spendable == 10
        with psycopg.connect(database_url()) as other:
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("SELECT 1 FROM ledger_bucket WHERE bucket = 5 FOR UPDATE")
    assert async_ledger.post_gifts([gift("g", FAN, 10)])[0].outcome == "posted"


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("23514", InsufficientBalance),
        ("22003", BadAmount),
        ("40001", TransientError),
        ("40P01", TransientError),
        ("55P03", TransientError),
        ("08006", TransientError),
        ("57P01", TransientError),
        ("53100", TransientError),
        ("53300", TransientError),
        (None, TransientError),
        ("42P01", None),
        ("23505", None),
        ("42601", None),
    ],
)
def test_errors_are_told_apart_by_sqlstate(sqlstate: str | None, kind: type | None) -> None:
    found = statements.refusal(sqlstate, "some_constraint_102008", "as the database says it")
    assert type(found) is (kind or type(None))


def test_reused_key_has_a_state_of_its_own() -> None:
    found = statements.refusal("LG001", None, str(key("r")))
    assert isinstance(found, KeyReused)
    assert not found.retry_helps


def test_database_error_that_is_a_bug_stays_one(ledger: DjangoDriver) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        run(statements.post_journals([dataclasses.replace(recharge("r", FAN, 1), reference="\0")]))
    assert connection.is_usable()


def test_text_that_no_column_holds_is_no_reason_to_try_again(async_ledger: AsyncDriver) -> None:
    broken = dataclasses.replace(recharge("r", FAN, 1), reference="\0")
    with pytest.raises(psycopg.DataError):
        async_ledger.post([broken])


def test_lost_connection_is_transient_and_the_retry_takes_effect_once(
    ledger: DjangoDriver, async_ledger: AsyncDriver
) -> None:
    async_ledger.post([recharge("r", FAN, 10)])
    cut = rows(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert cut
    answers = [async_ledger.post_gifts([gift("g", FAN, 10)])[0].outcome for _ in range(2)]
    assert answers == ["posted", "replayed"]
    assert async_ledger.wallet(FAN).spendable == 0


def test_connection_cut_during_a_posting_is_transient(async_ledger: AsyncDriver) -> None:
    async_ledger.post([recharge("r", FAN, 10)])

    async def cut_while_waiting() -> None:
        async with await psycopg.AsyncConnection.connect(database_url()) as blocker:
            await blocker.execute("SELECT 1 FROM ledger_bucket WHERE bucket = 5 FOR UPDATE")
            posting = asyncio.create_task(async_ledger.book.post_gifts([gift("g", FAN, 10)]))
            cursor = await blocker.execute("SELECT 1 WHERE false")
            while not cursor.rowcount:
                await asyncio.sleep(0.01)
                cursor = await blocker.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
            with pytest.raises(TransientError):
                await posting

    async_ledger.runner.run(cut_while_waiting())
    assert async_ledger.wallet(FAN).spendable == 10
    assert async_ledger.post_gifts([gift("g", FAN, 10)])[0].outcome == "posted"
