"""The roll-up: exactly once, cut anywhere, run twice at once, late and idle."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from random import Random

import psycopg
import pytest
from django.db import connection, transaction

from largesse.adapters.postgres import book as django_book
from largesse.adapters.postgres import checks, rollup
from largesse.adapters.postgres.columns import Row
from largesse.adapters.postgres.reading import balances, gifts_to_creator, maturing
from largesse.adapters.postgres.rollup import RollUp, roll_up
from largesse.earnings.rules import release_at
from largesse.ledger import rules
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    POLICIES,
    POLICY,
    START,
    DjangoDriver,
    database_url,
    gift,
    key,
    recharge,
    roll_up_now,
    rows,
)

pytestmark = COMMITTED

FAN, OTHER = 5, 6
ANNA, BEN, CLEO = 1001, 1002, 1001 + 64
"""Anna and Cleo share a bucket, Ben has another."""


class Cut(Exception):
    """The process died here."""


@pytest.fixture(autouse=True)
def _books_hold(ledger: DjangoDriver) -> object:
    """Every test here ends with books that hold, before and after one more roll-up."""
    ledger.post([recharge("r1", FAN, 100_000), recharge("r2", OTHER, 100_000)])
    yield
    assert checks.run_checks() == []
    roll_up_now(START + timedelta(days=1))
    assert checks.run_checks() == []
    assert rows("SELECT sum(gift_clearing) FROM ledger_bucket") == [(0,)]


def diamonds(creator: int) -> int:
    return balances(HolderId(creator)).get(("creator_pending", "DIAMOND"), 0)


def test_gifts_reach_their_creators_once(ledger: DjangoDriver) -> None:
    ledger.post_gifts([gift("a", FAN, 10), gift("b", OTHER, 5), gift("c", FAN, 7, creator=BEN)])
    assert roll_up_now() == RollUp(creators=2, gifts=3, coins=22, diamonds=7 + 3)
    assert (diamonds(ANNA), diamonds(BEN)) == (7, 3)
    assert roll_up_now() == RollUp()
    assert rows("SELECT event, detail ->> 'gifts' FROM ledger_journal WHERE event = 'earning'") == [
        ("earning", "2"),
        ("earning", "1"),
    ]


def test_a_roll_up_with_nothing_to_do_writes_nothing(ledger: DjangoDriver) -> None:
    before = rows(
        "SELECT sum(tick), sum(last_seq) FROM ledger_rollup r JOIN ledger_bucket USING (bucket)"
    )
    assert roll_up_now() == RollUp()
    assert before == rows(
        "SELECT sum(tick), sum(last_seq) FROM ledger_rollup r JOIN ledger_bucket USING (bucket)"
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_single_coins_earn_the_same_in_any_grouping(
    ledger: DjangoDriver, seed: int
) -> None:
    random = Random(seed)
    sent = 0
    while sent < 1000:
        size = min(random.choice((1, 1, 2, 3, 50, 200)), 1000 - sent)
        ledger.post_gifts([gift(f"g{sent + i}", FAN, 1) for i in range(size)])
        sent += size
        if random.random() < 0.5:
            roll_up_now()
        assert diamonds(ANNA) <= sent // 2
    roll_up_now()
    assert diamonds(ANNA) == 500


def test_remainders_survive_a_change_of_policy(ledger: DjangoDriver) -> None:
    for i in range(7):
        posting = gift(f"g{i}", FAN, 3)
        ledger.post_gifts([replace(posting, policy=1 + i % 2)])
        with transaction.atomic():
            django_book.run(roll_up(START, POLICIES))
    assert diamonds(ANNA) == (12 * 5000 + 9 * 3333) // 10_000


def test_two_policies_in_one_roll_up_show_each_gift_once(ledger: DjangoDriver) -> None:
    """The half diamond left by the first policy counts for the second."""
    first, second = gift("a", FAN, 5), replace(gift("b", FAN, 6), policy=2)
    ledger.post_gifts([first, second])
    assert roll_up_now() == RollUp(1, 2, 11, 4)
    assert sorted(row.coins for row in gifts_to_creator(HolderId(ANNA), 10)) == [5, 6]
    assert maturing(HolderId(ANNA)) == [
        (release_at(START, 1), 2),
        (release_at(START, 14), 2),
    ]


def test_unknown_policy_is_our_bug_and_posts_nothing(ledger: DjangoDriver) -> None:
    ledger.post_gifts([gift("a", FAN, 4)])
    with pytest.raises(KeyError), transaction.atomic():
        django_book.run(roll_up(START, {}))
    assert roll_up_now() == RollUp(1, 1, 4, 2)


def steps_of_a_roll_up() -> int:
    """How many statements a roll-up of these tests is."""
    count = 0
    with transaction.atomic():
        steps = roll_up(START, POLICIES)
        sent: list[Row] | None = None
        with connection.cursor() as cursor:
            try:
                while True:
                    query = steps.send(sent)  # type: ignore[arg-type]
                    cursor.execute(query.sql, query.params)
                    sent = cursor.fetchall() if cursor.description else []
                    count += 1
            except StopIteration:
                pass
        transaction.set_rollback(True)
    return count


@transaction.atomic
def roll_up_until(stop: int) -> None:
    """Run a roll-up and die before its statement number `stop`, inside its transaction."""
    steps = roll_up(START, POLICIES)
    sent: list[Row] | None = None
    with connection.cursor() as cursor:
        for number in range(stop + 1):
            try:
                query = steps.send(sent)  # type: ignore[arg-type]
            except StopIteration:
                raise Cut from None
            if number == stop:
                raise Cut
            cursor.execute(query.sql, query.params)
            sent = cursor.fetchall() if cursor.description else []
    raise Cut


def test_cut_between_any_two_statements_nothing_is_lost_or_doubled(ledger: DjangoDriver) -> None:
    ledger.post_gifts([gift("a", FAN, 11), gift("b", OTHER, 5, creator=BEN)])
    steps = steps_of_a_roll_up()
    assert steps >= 10
    coins = 11
    for stop in range(steps + 1):
        with pytest.raises(Cut):
            roll_up_until(stop)
        assert checks.run_checks() == []
        assert diamonds(ANNA) == (coins - 11) // 2
        assert roll_up_now() is not None
        assert diamonds(ANNA) == coins // 2
        assert diamonds(BEN) == 2
        ledger.post_gifts([gift(f"next {stop}", FAN, 11)])
        coins += 11


def test_of_two_roll_ups_at_once_one_stands_back(ledger: DjangoDriver) -> None:
    ledger.post_gifts([gift("a", FAN, 10)])
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (rollup._ROLLUP_LOCK,))
        assert roll_up_now() is None
        assert diamonds(ANNA) == 0
        other.rollback()
    assert roll_up_now() == RollUp(1, 1, 10, 5)


def test_roll_ups_in_parallel_with_gifts_credit_each_gift_once(ledger: DjangoDriver) -> None:
    stop = threading.Event()
    failed: list[BaseException] = []

    def keep_rolling() -> None:
        try:
            while not stop.is_set():
                roll_up_now()
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=keep_rolling) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(60):
        ledger.post_gifts(
            [gift(f"{i}/{fan}", fan, 3, creator=ANNA + i % 2) for fan in (FAN, OTHER)]
        )
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    roll_up_now()
    assert diamonds(ANNA) + diamonds(BEN) == 60 * 2 * 3 // 2


def test_gifts_do_not_wait_for_an_open_roll_up_nor_an_open_payout(ledger: DjangoDriver) -> None:
    ledger.post_gifts([gift("a", FAN, 10)])
    roll_up_now()
    ledger.post([rules.maturity(key("m"), START, HolderId(ANNA), 2)])
    rows("DELETE FROM ledger_maturing")
    rows(
        "INSERT INTO ledger_maturing (bucket, holder, release_at, diamonds) "
        "VALUES (64 + (%s & 63), %s, %s, 3)",
        ANNA,
        ANNA,
        START,
    )
    with psycopg.connect(database_url()) as gifts, transaction.atomic():
        django_book.DjangoBook().post(
            [rules.payout_requested(key("p"), START, HolderId(ANNA), 2, "pay")]
        )
        django_book.run(roll_up(START, POLICIES))
        gifts.execute("SET lock_timeout = '1s'")
        gifts.execute("SELECT 1 FROM ledger_bucket WHERE bucket < 64 ORDER BY bucket FOR UPDATE")
        gifts.rollback()


def test_a_creators_bucket_that_fell_behind_is_credited_for_all_it_missed(
    ledger: DjangoDriver,
) -> None:
    """Ben's mark stays behind while Anna's moves on; then Ben's news are older and newer."""
    for i in range(5):
        ledger.post_gifts([gift(f"a{i}", FAN, 10)])
        roll_up_now()
    ledger.post_gifts([gift("b0", FAN, 8, creator=BEN), gift("c0", OTHER, 6, creator=CLEO)])
    assert roll_up_now() == RollUp(2, 2, 14, 7)
    assert (diamonds(ANNA), diamonds(BEN), diamonds(CLEO)) == (25, 4, 3)


def test_idle_marks_are_moved_without_crediting_anything(
    ledger: DjangoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "_IDLE_LAG", 3)
    ledger.post_gifts([gift(f"a{i}", FAN, 10) for i in range(10)])
    roll_up_now()
    marks = rows("SELECT DISTINCT seen[%s] FROM ledger_rollup", FAN + 1)
    assert marks == [(11,)]
    assert rows("SELECT bucket FROM ledger_rollup WHERE tick > 0") == [(64 + ANNA % 64,)]
    ledger.post_gifts([gift("b", FAN, 8, creator=BEN)])
    assert roll_up_now() == RollUp(1, 1, 8, 4)


def test_diamonds_wait_in_the_queue_until_the_end_of_their_hold(ledger: DjangoDriver) -> None:
    for hour in (0, 1, 1, 30):
        ledger.post_gifts([gift(f"g{hour}/{diamonds(ANNA)}", FAN, 10)])
        roll_up_now(START + timedelta(hours=hour, minutes=10))
    due = release_at(START + timedelta(minutes=10), POLICY.hold_days)
    assert maturing(HolderId(ANNA)) == [
        (due, 5),
        (due + timedelta(hours=1), 10),
        (due + timedelta(hours=30), 5),
    ]


def test_a_hold_of_no_days_matures_at_the_next_full_hour(ledger: DjangoDriver) -> None:
    terms = {1: replace(POLICY, hold_days=0)}
    ledger.post_gifts([gift("a", FAN, 10)])
    with transaction.atomic():
        django_book.run(roll_up(START + timedelta(minutes=1), terms))
    assert maturing(HolderId(ANNA)) == [(START + timedelta(hours=1), 5)]
