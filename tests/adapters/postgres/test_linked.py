"""Linked journals, balance constraints and order within a batch, on real PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from largesse.adapters.postgres import checks, holding, linked
from largesse.adapters.postgres.book import DjangoBook, run
from largesse.adapters.postgres.statements import post_journals
from largesse.ledger import rules
from largesse.ledger.accounts import Account, AccountRef
from largesse.ledger.errors import (
    BadJournal,
    BalanceConstraint,
    Fault,
    InsufficientBalance,
    KeyReused,
)
from largesse.ledger.holds import Hold, held_gift
from largesse.ledger.journals import Bound, Event, Journal, NewVoid, Transfer
from largesse.ledger.lots import CoinClass, SerialRange
from largesse.ledger.ports import Posted
from largesse.money.amounts import Amount
from largesse.money.assets import COIN, DIAMOND, asset
from largesse.money.errors import DomainError, InvariantViolation, TransientError
from largesse.money.ids import PLATFORM, HolderId, fan_bucket
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    AsyncDriver,
    DjangoDriver,
    Driver,
    gift,
    key,
    recharge,
    rows,
)

pytestmark = COMMITTED

FAN, CREATOR, OTHER = HolderId(5), HolderId(1001), HolderId(1002)
PAID = AccountRef(Account.FAN_PAID, FAN)
AVAILABLE = AccountRef(Account.CREATOR_AVAILABLE, CREATOR)

Outcome = Posted | DomainError


def earning(name: str, diamonds: int, creator: HolderId = CREATOR) -> Journal:
    return rules.earning(key(name), START, creator, 2 * diamonds, diamonds, {})


def maturity(name: str, diamonds: int, creator: HolderId = CREATOR) -> Journal:
    return rules.maturity(key(name), START, creator, diamonds)


def payout(name: str, diamonds: int, creator: HolderId = CREATOR) -> Journal:
    return rules.payout_requested(key(name), START, creator, diamonds, name)


def linked_to(one: Journal, other: Journal) -> Journal:
    return dataclasses.replace(one, linked_to=other.id)


def bounded(one: Journal, *bounds: Bound) -> Journal:
    return dataclasses.replace(one, bounds=bounds)


def revoked(name: str, start: int, stop: int) -> Journal:
    """Unspent coins taken back, by serials that the test chooses."""
    coins = Amount(stop - start, COIN)
    moved = Transfer(PAID, AccountRef(Account.REVOKED), coins)
    void = NewVoid(CoinClass.PAID, SerialRange(start, stop))
    return Journal(key(name), Event.REFUND, 5, START, (moved,), name, voids=(void,))


def names(outcomes: Sequence[Outcome]) -> list[object]:
    """A sequence for what is posted, its sign turned when it stood before; a code for the rest."""
    return [
        outcome.code
        if isinstance(outcome, DomainError)
        else (-1 if outcome.replayed else 1) * outcome.seq
        for outcome in outcomes
    ]


def everything() -> list[Any]:
    tables = ("journal", "transfer", "lot", "void", "wallet", "account", "bucket", "expiring")
    return [sorted(rows(f"SELECT t::text FROM ledger_{table} t")) for table in tables]


def test_a_chain_is_posted_together(book: Driver) -> None:
    first = earning("e", 50)
    second = linked_to(maturity("m", 50), first)
    third = linked_to(payout("p", 50), second)
    assert names(book.run(linked.post_linked([first, second, third]))) == [1, 2, 3]
    assert names(book.run(linked.post_linked([first, second, third]))) == [-1, -2, -3]
    assert DjangoBook().balance(CREATOR, Account.CREATOR_HELD) == 50


def test_a_refused_chain_leaves_nothing_and_the_others_go_on(book: Driver) -> None:
    first = earning("e", 50)
    chain = [first, linked_to(payout("p", 1), first)]
    single = recharge("r", FAN, 10)
    other = earning("x", 7, OTHER)
    found = book.run(
        linked.post_linked(
            [chain[0], single, chain[1], other, linked_to(maturity("y", 7, OTHER), other)]
        )
    )
    assert names(found) == ["insufficient_balance", 1, "insufficient_balance", 1, 2]
    assert rows("SELECT count(*) FROM ledger_journal WHERE holder = %s", CREATOR) == [(0,)]
    assert rows("SELECT count(*) FROM ledger_account WHERE holder = %s", CREATOR) == [(0,)]
    assert book.wallet(FAN).spendable == 10


def test_refusals_by_rule_and_by_the_books_are_told_apart(book: Driver) -> None:
    book.post([recharge("known", FAN, 5)])
    lone = linked_to(earning("e", 1), maturity("never sent", 1))
    found = book.run(
        linked.post_linked(
            [lone, payout("p", 1), recharge("known", FAN, 6), recharge("known", FAN, 5)]
        )
    )
    # The same id twice with other content is one chain, and refused whole.
    assert names(found) == [
        "bad_journal",
        "insufficient_balance",
        "bad_journal",
        "bad_journal",
    ]
    assert [f.fault for f in found if isinstance(f, BadJournal)] == [
        Fault.LINK_TO_NOBODY,
        Fault.ID_TWICE,
        Fault.ID_TWICE,
    ]
    found = book.run(linked.post_linked([recharge("known", FAN, 6), recharge("new", FAN, 1)]))
    assert names(found) == [KeyReused.code, 2]


def test_a_link_is_part_of_what_an_id_stands_for(book: Driver) -> None:
    first, second = earning("e", 5), maturity("m", 5)
    book.run(linked.post_linked([first, linked_to(second, first)]))
    with pytest.raises(KeyReused):
        book.post([second])


def test_plain_posting_refuses_links_that_break_a_rule(book: Driver) -> None:
    first = earning("e", 5)
    with pytest.raises(BadJournal) as caught:
        book.post([linked_to(maturity("m", 5), first)])
    assert caught.value.fault is Fault.LINK_TO_NOBODY
    book.post([first, linked_to(maturity("m", 5), first)])


def test_a_linked_journal_that_stands_is_answered_alone(book: Driver) -> None:
    first = earning("e", 5)
    second = linked_to(maturity("m", 5), first)
    book.post([first, second])
    assert names(book.post([second])) == [-2]
    assert names(book.post([recharge("r", FAN, 1), second])) == [1, -2]
    with pytest.raises(KeyReused):
        book.post([dataclasses.replace(second, reference="other")])
    with pytest.raises(BadJournal):
        book.post([second, linked_to(payout("p", 5), earning("never sent", 1))])


def test_nothing_is_linked_outside_a_transaction(ledger: DjangoDriver) -> None:
    with pytest.raises(InvariantViolation):
        DjangoBook().post_linked([earning("e", 5)])
    with transaction.atomic():
        assert names(DjangoBook().post_linked([earning("e", 5), payout("p", 1)])) == [
            1,
            "insufficient_balance",
        ]
        assert DjangoBook().post_linked([]) == []


def test_the_live_path_posts_chains_too(async_ledger: AsyncDriver) -> None:
    post = async_ledger.book.post_linked
    found = async_ledger.runner.run(post([earning("e", 5), payout("p", 1), recharge("r", FAN, 1)]))
    assert names(found) == [1, "insufficient_balance", 1]


def test_a_lost_database_is_no_refusal(ledger: DjangoDriver) -> None:
    """A chain must not be called refused when nobody decided anything."""
    steps = linked.post_linked([earning("e", 5)])
    assert next(steps).sql.startswith("SAVEPOINT")
    steps.send([])
    gone = TransientError("The database gave way.")
    with pytest.raises(TransientError):
        steps.throw(gone)


# What could not be posted one after the other is not posted as a batch either, although its sum
# would be fine: (what was there before, the batch, which of it is refused).
OUT_OF_ORDER: dict[str, tuple[list[Journal], list[Journal]]] = {
    "paid before it was earned": (
        [earning("e", 50), maturity("m", 10)],
        [payout("p", 11), maturity("n", 40)],
    ),
    "matured before it was earned": ([], [maturity("m", 5), earning("e", 5)]),
    "returned before it was requested": (
        [earning("e", 5), maturity("m", 5)],
        [rules.payout_returned(key("b"), START, CREATOR, 5, "p", "closed"), payout("p", 5)],
    ),
    "revoked before it was issued": ([], [revoked("v", 0, 5), recharge("r", FAN, 10)]),
    "revoked beyond what was issued": (
        [recharge("q", FAN, 3)],
        [revoked("v", 1, 5), recharge("r", FAN, 10)],
    ),
    "debt repaid before it was owed": (
        [recharge("r", FAN, 10)],
        [
            dataclasses.replace(
                revoked("d", 0, 2),
                event=Event.DEBT_REPAID,
                transfers=(Transfer(PAID, AccountRef(Account.FAN_DEBT, FAN), Amount(2, COIN)),),
            ),
            Journal(
                key("owes"),
                Event.REFUND,
                5,
                START,
                (
                    Transfer(
                        AccountRef(Account.FAN_DEBT, FAN),
                        AccountRef(Account.REVOKED),
                        Amount(2, COIN),
                    ),
                ),
            ),
        ],
    ),
}


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_a_batch_is_what_could_be_posted_one_by_one(book: Driver, name: str) -> None:
    before, batch = OUT_OF_ORDER[name]
    if before:
        book.post(before)
    stood = everything()
    with pytest.raises(InsufficientBalance):
        book.post(batch)
    assert everything() == stood
    found = book.run(linked.post_linked(batch))
    assert [isinstance(f, InsufficientBalance) for f in found] == [True, False]
    if name != "returned before it was requested":
        book.post(batch[:1])


def test_later_coins_do_not_lend_to_a_hold(book: Driver) -> None:
    """Held coins stay held for each journal of a batch, not for their sum."""
    book.post([recharge("r", FAN, 10)])
    book.run(holding.hold_journal(_hold(8)))
    with pytest.raises(InsufficientBalance):
        book.post([revoked("v", 7, 10), recharge("s", FAN, 10)])
    book.post([recharge("s", FAN, 10), revoked("v", 7, 10)])
    assert book.wallet(FAN).paid.balance == 9


def _hold(coins: int) -> Hold:
    from datetime import timedelta

    journal = held_gift(key("h"), START, FAN, coins, 0)
    return Hold(journal, "undo window", START + timedelta(minutes=1))


FIVE = AccountRef(Account.PROVIDER_CLEARING), asset("USD")

# A journal's bound, whether it holds, and the balance that is told: after it, 10 coins were bought
# for 20 US cents (18 net, 2 tax), by a fan who had 100 coins.
BOUNDS: dict[str, tuple[Bound, int | None]] = {
    "enough": (Bound(PAID, COIN, at_least=110), None),
    "not enough": (Bound(PAID, COIN, at_least=111), 110),
    "not too much": (Bound(PAID, COIN, at_most=110), None),
    "too much": (Bound(PAID, COIN, at_most=109), 110),
    "between": (Bound(PAID, COIN, 110, 110), None),
    "below both": (Bound(PAID, COIN, 111, 112), 110),
    "above both": (Bound(PAID, COIN, 1, 109), 110),
    "bonus never granted": (Bound(AccountRef(Account.FAN_BONUS, FAN), COIN, at_least=1), 0),
    "debt": (Bound(AccountRef(Account.FAN_DEBT, FAN), COIN, 0, 0), None),
    "owed debt": (Bound(AccountRef(Account.FAN_DEBT, FAN), COIN, at_most=-1), 0),
    "clearing of gifts": (Bound(AccountRef(Account.GIFT_CLEARING), COIN, at_least=1), 0),
    "a side of the journal": (Bound(*FIVE, at_least=-220), None),
    "a side of the journal, broken": (Bound(*FIVE, at_least=-219), -220),
    "a side in another asset": (Bound(FIVE[0], asset("EUR"), at_most=-1), 0),
    "an account it does not touch": (Bound(AccountRef(Account.LOSS), asset("USD"), 0, 0), None),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_is_checked_on_the_balance_after_the_journal(book: Driver, name: str) -> None:
    bound, balance = BOUNDS[name]
    book.post([recharge("r", FAN, 100)])
    wished = bounded(recharge("s", FAN, 10), bound)
    if balance is None:
        [posted] = book.post([wished])
        assert book.post([wished]) == [dataclasses.replace(posted, replayed=True)]
        return
    stood = everything()
    with pytest.raises(BalanceConstraint) as caught:
        book.post([wished])
    data = caught.value.data
    assert (caught.value.code, caught.value.retry_helps) == ("balance_constraint", False)
    assert (data["journal"], data["account"], data["asset"], data["balance"]) == (
        str(wished.id),
        str(bound.account),
        bound.asset.code,
        balance,
    )
    assert data["limit"] == getattr(bound, str(data["bound"]))
    assert str(balance) in caught.value.message
    assert everything() == stood


def test_each_bound_sees_its_own_journal_of_a_batch(book: Driver) -> None:
    """Bounds of a batch hold at their place in it, whatever comes later."""
    batch = [
        bounded(recharge("a", FAN, 10), Bound(PAID, COIN, 10, 10)),
        bounded(recharge("b", FAN, 20), Bound(PAID, COIN, 30, 30)),
        bounded(revoked("c", 10, 25), Bound(PAID, COIN, 15, 15)),
        recharge("d", FAN, 100),
    ]
    book.post(batch)
    assert book.wallet(FAN).paid.balance == 115
    # Replays are not asked again: the balances are others now.
    assert {posted.replayed for posted in book.post(batch)} == {True}
    late = bounded(recharge("e", FAN, 1), Bound(PAID, COIN, at_most=116))
    with pytest.raises(BalanceConstraint):
        book.post([recharge("f", FAN, 1), late])
    book.post([late, recharge("f", FAN, 1)])


def test_a_bound_counts_coins_in_clearing_and_held_ones(book: Driver) -> None:
    book.post([recharge("r", FAN, 100)])
    book.post_gifts([gift("g", FAN, 30)])
    book.run(holding.hold_journal(_hold(50)))
    clearing = Bound(AccountRef(Account.GIFT_CLEARING), COIN, 30, 30)
    book.post([bounded(recharge("s", FAN, 1), clearing, Bound(PAID, COIN, 71, 71))])


def test_bounds_are_part_of_what_an_id_stands_for(book: Driver) -> None:
    book.post([bounded(recharge("r", FAN, 10), Bound(PAID, COIN, at_most=10))])
    for other in (
        recharge("r", FAN, 10),
        bounded(recharge("r", FAN, 10), Bound(PAID, COIN, at_most=11)),
    ):
        with pytest.raises(KeyReused):
            book.post([other])


def test_a_chain_falls_with_the_bound_of_one(book: Driver) -> None:
    first = earning("e", 50)
    second = bounded(maturity("m", 50), Bound(AVAILABLE, DIAMOND, at_most=49))
    found = book.run(linked.post_linked([first, linked_to(second, first), recharge("r", FAN, 1)]))
    assert names(found) == ["balance_constraint", "balance_constraint", 1]


def test_a_storm_under_a_bound_stops_at_the_bound(async_ledger: AsyncDriver) -> None:
    """60 recharges at once under "at most 100 coins": exactly ten of ten coins are posted."""
    limit = Bound(PAID, COIN, at_most=100)

    async def buy(n: int) -> str:
        try:
            await async_ledger.book.post([bounded(recharge(f"r{n}", FAN, 10), limit)])
        except BalanceConstraint as refusal:
            return f"refused at {refusal.data['balance']}"
        return "posted"

    async def rush() -> list[str]:
        return list(await asyncio.gather(*(buy(n) for n in range(60))))

    found = async_ledger.runner.run(rush())
    assert (found.count("posted"), found.count("refused at 110")) == (10, 50)
    assert DjangoBook().wallet(FAN).paid.balance == 100
    assert checks.run_checks() == []


def test_an_unused_feature_is_not_called(ledger: DjangoDriver) -> None:
    """A batch of recharges runs no statement for bounds, voids, floors or freezes."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL track_functions = 'all'")
        run(post_journals([recharge(f"r{n}", FAN + n, 10) for n in range(20)]))
        cursor.execute(
            "SELECT funcname FROM pg_stat_xact_user_functions WHERE funcname LIKE 'ledger_%'"
        )
        called = {row[0] for row in cursor.fetchall()}
        transaction.set_rollback(True)
    assert called == {"ledger_post_journals", "ledger_move_balances", "ledger_issue_lots"}


FANS = (HolderId(5), HolderId(69), HolderId(6))


@st.composite
def submissions(draw: st.DrawFn) -> list[Journal]:
    """Journals whose order decides what is refused, with links and bounds among them."""
    made: list[Journal] = []
    for n in range(draw(st.integers(1, 8))):
        who = draw(st.sampled_from((CREATOR, OTHER)))
        kind, size = (
            draw(st.sampled_from(("earn", "mature", "pay", "buy"))),
            draw(st.integers(1, 4)),
        )
        fan = draw(st.sampled_from(FANS))
        one = {
            "earn": lambda n=n, who=who, size=size: earning(f"n{n}", size, who),
            "mature": lambda n=n, who=who, size=size: maturity(f"n{n}", size, who),
            "pay": lambda n=n, who=who, size=size: payout(f"n{n}", size, who),
            "buy": lambda n=n, fan=fan, size=size: recharge(f"n{n}", fan, size),
        }[kind]()
        if kind == "buy" and draw(st.booleans()):
            limit = draw(st.integers(1, 8))
            account = AccountRef(Account.FAN_PAID, fan)
            one = bounded(one, Bound(account, COIN, at_most=limit))
        if made and draw(st.integers(0, 2)) == 0:
            one = linked_to(one, draw(st.sampled_from(made)))
        made.append(one)
    return made


def one_by_one(submission: Sequence[Journal]) -> list[Outcome]:
    """The meaning of `post_linked`: chain after chain, each in a transaction of its own."""
    from largesse.ledger.linking import chains

    results: dict[int, Outcome] = {}
    for chain in chains(submission):
        outcome: list[Posted] | DomainError
        try:
            if chain.refusal is not None:
                raise chain.refusal
            with transaction.atomic():
                posted: list[Posted] = []
                for i in chain.members:
                    # Alone in its statement, so without its links, which were checked above.
                    posted += run(
                        post_journals([dataclasses.replace(submission[i], linked_to=None)])
                    )
            outcome = posted
        except DomainError as refusal:
            outcome = refusal
        for place, i in enumerate(chain.members):
            results[i] = outcome if isinstance(outcome, DomainError) else outcome[place]
    return [results[i] for i in range(len(submission))]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(submissions())
def test_chains_at_once_are_chains_one_after_the_other(
    ledger: DjangoDriver, submission: list[Journal]
) -> None:
    results = []
    for way in (one_by_one, lambda s: run(linked.post_linked(s))):
        with transaction.atomic():
            # Which of two reasons is told is not promised; what is refused is.
            outcome = ["refused" if isinstance(f, DomainError) else f for f in way(submission)]
            balances = rows(
                "SELECT holder, code, balance FROM ledger_account UNION ALL "
                "SELECT holder, 'coins', paid_issued FROM ledger_wallet ORDER BY 1, 2, 3"
            )
            results.append((outcome, [row for row in balances if row[2]]))
            transaction.set_rollback(True)
    assert results[0] == results[1]


def test_the_tests_touch_several_buckets() -> None:
    assert len({fan_bucket(fan) for fan in FANS}) == 2
    assert PLATFORM not in FANS
