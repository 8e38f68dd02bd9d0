"""Two-phase journals on real PostgreSQL, through both executors: reserve, post, void, expire."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction

from largesse.adapters.postgres import checks, holding, statements
from largesse.adapters.postgres.async_book import AsyncBook
from largesse.adapters.postgres.book import DjangoBook, run
from largesse.ledger import rules
from largesse.ledger.accounts import Account, AccountRef
from largesse.ledger.errors import (
    BadJournal,
    BalanceConstraint,
    Frozen,
    HoldResolved,
    InsufficientBalance,
    KeyReused,
    UnknownHold,
)
from largesse.ledger.holds import Held, Hold, State, held_gift
from largesse.ledger.journals import Bound, Journal
from largesse.ledger.ports import Posted
from largesse.money.assets import DIAMOND
from largesse.money.errors import DomainError, InvariantViolation
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    AsyncDriver,
    DjangoDriver,
    Driver,
    bonus,
    gift,
    key,
    recharge,
    rows,
    usd,
)

pytestmark = COMMITTED

FAN, CREATOR = HolderId(5), HolderId(1001)
BUCKET, HOME = 5, 64 + (1001 & 63)
LATER, END = START + timedelta(minutes=1), START + timedelta(minutes=5)


def coins_held(name: str, paid: int, free: int = 0, fan: int = FAN) -> Hold:
    return Hold(held_gift(key(name), START, HolderId(fan), paid, free), "undo window", END)


def payout_held(name: str, diamonds: int) -> Hold:
    journal = rules.payout_requested(key(name), START, CREATOR, diamonds, name)
    return Hold(journal, "payout review", END)


def refund(name: str, coins: int) -> Journal:
    book = DjangoBook()
    purse, lot = book.wallet(FAN).paid, book.lots(FAN)[0]
    return rules.refund(key(name), START, FAN, purse, lot, coins, usd(2 * coins))


def earn(book: Driver, diamonds: int, at: datetime = START) -> None:
    book.post(
        [
            rules.earning(key("e", at), at, CREATOR, 2 * diamonds, diamonds, {}),
            rules.maturity(key("m", at), at, CREATOR, diamonds),
        ]
    )
    # Diamonds without gifts or a queue: these tests look at the accounts, not at the roll-up.


def books_hold() -> None:
    unrelated = ("I5",)
    assert [f for f in checks.run_checks() if f.invariant not in unrelated] == []


def available() -> int:
    return DjangoBook().balance(CREATOR, Account.CREATOR_AVAILABLE)


@pytest.fixture(autouse=True)
def _fan_with_coins(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 100), bonus("b", FAN, 10)])


def test_a_hold_reserves_and_moves_nothing(book: Driver) -> None:
    held = book.run(holding.hold_journal(coins_held("h", 60, 10)))
    assert held == Held(BUCKET, key("h"), State.PENDING, replayed=False)
    wallet = book.wallet(FAN)
    assert (wallet.paid.balance, wallet.bonus.balance, wallet.spendable) == (40, 0, 40)
    assert (wallet.paid.next, wallet.paid.held, wallet.bonus.held) == (0, 60, 10)
    assert rows("SELECT last_seq FROM ledger_bucket WHERE bucket = 5") == [(2,)]
    assert [r.outcome for r in book.post_gifts([gift("g", FAN, 41), gift("s", FAN, 40)])] == [
        "insufficient",
        "posted",
    ]
    assert checks.run_checks() == []


def test_voided_coins_can_be_given_in_the_same_transaction(ledger: DjangoDriver) -> None:
    ledger.run(holding.hold_journal(coins_held("h", 100, 10)))
    assert [r.outcome for r in ledger.post_gifts([gift("g", FAN, 110)])] == ["insufficient"]
    with transaction.atomic():
        [voided] = run(holding.void_holds([(BUCKET, key("h"))], LATER))
        [given] = run(statements.post_gifts([gift("g", FAN, 110)]))
    assert (voided.state, voided.replayed, given.outcome) == (State.VOIDED, False, "posted")
    assert ledger.wallet(FAN).spendable == 0
    assert checks.run_checks() == []


def test_many_holds_become_gifts_under_all_their_lanes(book: Driver) -> None:
    fans = [70, 6, 5, 7]
    book.post([recharge(f"r{fan}", fan, 10) for fan in fans if fan != FAN])
    book.run(holding.hold_journals([coins_held(f"h{fan}", 10, fan=fan) for fan in fans]))
    voided = book.run(holding.void_holds([(fan & 63, key(f"h{fan}")) for fan in fans], LATER))
    assert [v.state for v in voided] == [State.VOIDED] * 4
    given = book.post_gifts([gift(f"g{fan}", fan, 10) for fan in fans])
    assert {g.outcome for g in given} == {"posted"}
    assert checks.run_checks() == []


def test_a_posted_hold_is_the_ordinary_journal(book: Driver) -> None:
    plain = refund("back", 30)
    book.run(holding.hold_journal(Hold(plain, "dispute", END)))
    assert book.wallet(FAN).paid.balance == 70
    assert rows("SELECT 1 FROM ledger_journal WHERE event = 'refund'") == []
    posted = book.run(holding.post_hold(BUCKET, plain.id, LATER))
    assert posted == Posted(BUCKET, 3, replayed=False)
    wallet = book.wallet(FAN)
    assert (wallet.paid.balance, wallet.paid.held) == (70, 0)
    assert wallet.paid.voids
    assert book.post([plain]) == [Posted(BUCKET, 3, replayed=True)]
    assert checks.run_checks() == []


def test_a_recharge_can_be_pending_until_it_is_captured(book: Driver) -> None:
    """It reserves nothing, since it takes from no account with a floor; posting issues the lot."""
    book.run(holding.hold_journal(Hold(recharge("late", FAN, 7), "authorized", END)))
    assert book.wallet(FAN).paid.issued == 100
    book.run(holding.post_hold(BUCKET, key("late"), LATER))
    assert book.wallet(FAN).paid.issued == 107
    assert [lot.reference for lot in DjangoBook().lots(FAN)] == ["r", "late"]
    assert checks.run_checks() == []


def test_creators_diamonds_are_reserved_too(book: Driver) -> None:
    earn(book, 50)
    book.run(holding.hold_journal(payout_held("p", 30)))
    assert rows("SELECT balance, held FROM ledger_account WHERE code = 'creator_available'") == [
        (50, 30)
    ]
    with pytest.raises(InsufficientBalance):
        book.post([rules.payout_requested(key("q"), START, CREATOR, 21, "q")])
    book.post([rules.payout_requested(key("q"), START, CREATOR, 20, "q")])
    book.run(holding.post_hold(HOME, key("p"), LATER))
    assert available() == 0
    books_hold()


def test_what_is_free_can_be_held_and_no_more(book: Driver) -> None:
    earn(book, 50)
    wanted = [
        coins_held("a", 60),
        coins_held("too many", 41),
        coins_held("c", 40, 11),
        coins_held("d", 40, 10),
        payout_held("over", 51),
        payout_held("f", 50),
        coins_held("nobody", 1, fan=6),
    ]
    found = book.run(holding.hold_journals(wanted))
    assert [type(f) if isinstance(f, DomainError) else f.state for f in found] == [
        State.PENDING,
        InsufficientBalance,
        InsufficientBalance,
        State.PENDING,
        InsufficientBalance,
        State.PENDING,
        InsufficientBalance,
    ]
    assert rows("SELECT count(*) FROM ledger_pending") == [(3,)]
    books_hold()


End = Callable[[Driver], Sequence[Posted | Held]]


def post_it(book: Driver) -> Sequence[Posted]:
    return [book.run(holding.post_hold(BUCKET, key("h"), LATER))]


def void_it(book: Driver) -> Sequence[Held]:
    return book.run(holding.void_holds([(BUCKET, key("h"))], LATER))


def expire_it(book: Driver) -> Sequence[Held]:
    count = book.run(holding.expire_holds(END, 10))
    return [Held(BUCKET, key("h"), State.EXPIRED, replayed=False)] * count


ENDS: dict[str, tuple[End, State]] = {
    "posted": (post_it, State.POSTED),
    "voided": (void_it, State.VOIDED),
    "expired": (expire_it, State.EXPIRED),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_hold_ends_once_and_then_always_the_same_way(book: Driver, name: str) -> None:
    end, state = ENDS[name]
    hold = Hold(refund("h", 30), "dispute", END)
    assert book.run(holding.hold_journal(hold)).state is State.PENDING
    assert book.run(holding.hold_journal(hold)) == Held(BUCKET, key("h"), State.PENDING, True)
    end(book)
    before = rows("SELECT * FROM ledger_wallet") + rows("SELECT * FROM ledger_pending")
    assert book.run(holding.hold_journal(hold)) == Held(BUCKET, key("h"), state, replayed=True)
    for other, (wish, wished) in ENDS.items():
        if other == "expired":
            assert wish(book) == []
        elif other == name:
            assert all(again.replayed for again in wish(book))
        else:
            with pytest.raises(HoldResolved) as caught:
                wish(book)
            assert caught.value.data["state"] == state.value
            assert not caught.value.retry_helps
            assert wished.value in caught.value.message
    assert rows("SELECT * FROM ledger_wallet") + rows("SELECT * FROM ledger_pending") == before
    assert book.wallet(FAN).paid.held == 0
    assert checks.run_checks() == []


def test_time_handed_in_decides_and_no_sweep_is_needed(book: Driver) -> None:
    book.run(holding.hold_journal(Hold(refund("h", 30), "dispute", END)))
    for wish in (
        holding.post_hold(BUCKET, key("h"), END),
        holding.void_holds([(5, key("h"))], END),
    ):
        with pytest.raises(HoldResolved) as caught:
            book.run(wish)
        assert caught.value.data["state"] == "expired"
    # Nothing was written: the sweep ends it, and only then the coins are free.
    assert book.wallet(FAN).paid.held == 30
    assert book.run(holding.expire_holds(END - timedelta(microseconds=1), 10)) == 0
    assert book.run(holding.expire_holds(END, 10)) == 1
    assert book.wallet(FAN).paid.held == 0
    assert rows("SELECT state, resolved_at FROM ledger_pending") == [("expired", END)]
    assert checks.run_checks() == []


def test_the_sweep_takes_as_many_as_it_is_told(book: Driver) -> None:
    book.run(holding.hold_journals([coins_held(f"h{n}", 1) for n in range(5)]))
    assert [book.run(holding.expire_holds(END, 3)) for _ in range(3)] == [3, 2, 0]
    assert book.wallet(FAN).paid.held == 0


@pytest.mark.parametrize(
    "other",
    [
        coins_held("h", 31),
        dataclasses.replace(coins_held("h", 30), reason="another reason"),
        Hold(dataclasses.replace(recharge("x", FAN, 1), id=key("h")), "undo window", END),
    ],
    ids=["coins", "reason", "event"],
)
def test_an_id_stands_for_one_hold_for_ever(book: Driver, other: Hold) -> None:
    book.run(holding.hold_journal(coins_held("h", 30)))
    with pytest.raises(KeyReused):
        book.run(holding.hold_journal(other))
    void_it(book)
    with pytest.raises(KeyReused):
        book.run(holding.hold_journal(other))
    assert book.wallet(FAN).spendable == 110


def test_a_replay_may_come_with_another_end(book: Driver) -> None:
    """A client that asks again makes a new time; the first stands."""
    book.run(holding.hold_journal(coins_held("h", 30)))
    later = dataclasses.replace(coins_held("h", 30), expires_at=END + timedelta(hours=1))
    assert book.run(holding.hold_journal(later)).replayed
    assert rows("SELECT expires_at FROM ledger_pending") == [(END,)]


@pytest.mark.parametrize("name", ["pending", "voided", "expired"])
def test_the_id_of_a_hold_is_posted_by_its_hold_only(book: Driver, name: str) -> None:
    journal = refund("h", 30)
    book.run(holding.hold_journal(Hold(journal, "dispute", END)))
    if name != "pending":
        ENDS[name][0](book)
    with pytest.raises(KeyReused):
        book.post([journal])
    assert rows("SELECT state FROM ledger_pending") == [(name,)]
    assert checks.run_checks() == []


def test_a_journal_that_was_posted_is_not_held_again(book: Driver) -> None:
    journal = refund("h", 30)
    book.post([journal])
    assert book.run(holding.hold_journal(Hold(journal, "late", END))) == Held(
        BUCKET, key("h"), State.POSTED, replayed=True
    )
    with pytest.raises(KeyReused):
        book.run(holding.hold_journal(coins_held("h", 30)))
    assert rows("SELECT count(*) FROM ledger_pending") == [(0,)]


def test_nothing_is_known_of_an_unknown_hold(book: Driver) -> None:
    for wish in (post_it, void_it):
        with pytest.raises(UnknownHold):
            wish(book)


def test_a_held_gift_is_voided_and_given_but_never_posted(book: Driver) -> None:
    book.run(holding.hold_journal(coins_held("h", 30)))
    with pytest.raises(BadJournal, match="as a gift, not as a journal"):
        post_it(book)
    assert book.wallet(FAN).paid.held == 30
    assert rows("SELECT state FROM ledger_pending") == [("pending",)]


def test_a_hold_whose_journal_is_refused_stays_pending(book: Driver) -> None:
    earn(book, 50)
    bound = Bound(AccountRef(Account.CREATOR_AVAILABLE, CREATOR), DIAMOND, at_least=30)
    journal = dataclasses.replace(payout_held("p", 30).journal, bounds=(bound,))
    book.run(holding.hold_journal(Hold(journal, "review", END)))
    with pytest.raises(BalanceConstraint):
        book.run(holding.post_hold(HOME, key("p"), LATER))
    assert rows("SELECT state FROM ledger_pending") == [("pending",)]
    earn(book, 10, LATER)
    book.run(holding.post_hold(HOME, key("p"), LATER))
    assert available() == 30
    books_hold()


def test_refunds_and_debts_leave_held_coins_alone(ledger: DjangoDriver) -> None:
    ledger.run(holding.hold_journal(coins_held("h", 60)))
    back = refund("back", 100)
    ledger.post([back])
    wallet = ledger.wallet(FAN)
    assert (wallet.paid.balance, wallet.paid.held, wallet.debt) == (0, 60, 60)
    void_it(ledger)
    with transaction.atomic():
        repaid = rules.debt_repaid(
            key("d"), START, FAN, ledger.wallet(FAN).paid, DjangoBook().lots(FAN), 60
        )
        assert repaid is not None
        DjangoBook().post([repaid])
    assert (ledger.wallet(FAN).debt, ledger.wallet(FAN).paid.balance) == (0, 0)
    assert checks.run_checks() == []


def test_coins_of_a_debtor_or_of_a_frozen_fan_cannot_be_held_for_gifts(book: Driver) -> None:
    book.run(statements.freeze(FAN, frozen=True))
    with pytest.raises(Frozen):
        book.run(holding.hold_journal(coins_held("h", 1)))
    assert book.run(holding.hold_journal(Hold(refund("d", 5), "dispute", END))).state is (
        State.PENDING
    )
    book.run(statements.freeze(FAN, frozen=False))
    book.post_gifts([gift("g", FAN, 100)])
    book.post([refund("back", 20)])
    assert book.wallet(FAN).debt > 0
    with pytest.raises(InsufficientBalance, match="debt"):
        book.run(holding.hold_journal(coins_held("h", 1)))


def test_a_frozen_creator_is_paid_nothing_and_corrected_as_ever(book: Driver) -> None:
    earn(book, 50)
    first = rules.payout_requested(key("p"), START, CREATOR, 10, "p")
    [stands] = book.post([first])
    book.run(holding.hold_journal(payout_held("before", 5)))
    book.run(statements.freeze(CREATOR, frozen=True))
    book.run(statements.freeze(CREATOR, frozen=True))
    assert book.wallet(CREATOR).frozen
    assert book.post([first]) == [dataclasses.replace(stands, replayed=True)]
    with pytest.raises(Frozen) as caught:
        book.post([rules.payout_requested(key("q"), START, CREATOR, 10, "q")])
    assert (caught.value.code, caught.value.data) == (
        "frozen",
        {"account": f"creator_available:{CREATOR}"},
    )
    with pytest.raises(Frozen):
        book.run(holding.hold_journal(payout_held("h", 10)))
    with pytest.raises(Frozen):
        book.run(holding.post_hold(HOME, key("before"), LATER))
    book.post([rules.payout_returned(key("back"), START, CREATOR, 10, "p", "bank closed")])
    book.run(holding.void_holds([(HOME, key("before"))], LATER))
    earn(book, 1, LATER)
    assert available() == 51
    book.run(statements.freeze(CREATOR, frozen=False))
    book.post([rules.payout_requested(key("q"), START, CREATOR, 51, "q")])
    assert not book.wallet(CREATOR).frozen
    books_hold()


def test_the_book_of_services_holds_posts_and_voids(ledger: DjangoDriver) -> None:
    book = DjangoBook()
    one, two = refund("one", 10), refund("two", 10)
    with pytest.raises(InvariantViolation):
        book.hold(one, "dispute", END)
    with transaction.atomic():
        assert book.hold(one, "dispute", END).state is State.PENDING
        assert book.hold(two, "dispute", END).state is State.PENDING
        assert book.void_hold(BUCKET, two.id, LATER).state is State.VOIDED
        assert book.post_hold(BUCKET, one.id, LATER).seq == 3
        book.freeze(FAN, frozen=True)
    assert book.wallet(FAN).frozen
    assert checks.run_checks() == []


def test_the_book_of_the_live_path_holds_posts_and_voids(async_ledger: AsyncDriver) -> None:
    book, run_now = async_ledger.book, async_ledger.runner.run
    one, two = refund("one", 10), refund("two", 10)
    assert run_now(book.hold(one, "dispute", END)).state is State.PENDING
    assert run_now(book.hold(two, "dispute", END)).state is State.PENDING
    assert run_now(book.void_hold(BUCKET, two.id, LATER)).state is State.VOIDED
    assert run_now(book.post_hold(BUCKET, one.id, LATER)).seq == 3
    with pytest.raises(InsufficientBalance):
        run_now(book.hold(held_gift(key("h"), START, FAN, 91, 0), "undo window", END))
    assert checks.run_checks() == []


def test_a_storm_of_holds_and_ends_takes_each_coin_once(async_ledger: AsyncDriver) -> None:
    """40 holds of 10 want 100 coins; each that got them is posted, voided and swept at once."""
    book = async_ledger.book

    async def hold(name: str) -> UUID | None:
        try:
            return (await book.hold(coins_held(name, 10).journal, "undo window", END)).id
        except InsufficientBalance:
            return None

    async def end(name: UUID) -> list[object]:
        wishes = (
            book.void_hold(BUCKET, name, LATER),
            _swept(book),
            book.void_hold(BUCKET, name, LATER),
        )
        return list(await asyncio.gather(*wishes, return_exceptions=True))

    async def rush() -> tuple[list[UUID], list[list[object]]]:
        names = await asyncio.gather(*(hold(f"h{n}") for n in range(40)))
        won = [name for name in names if name is not None]
        return won, list(await asyncio.gather(*(end(name) for name in won)))

    won, ends = async_ledger.runner.run(rush())
    assert len(won) == 10
    for first, _, second in ends:
        kinds = {type(first), type(second)}
        assert kinds in ({Held}, {HoldResolved})
    assert sum(expired for _, expired, _ in ends) + sum(  # type: ignore[misc]
        isinstance(first, Held) for first, _, _ in ends
    ) == len(won)
    assert rows("SELECT paid_held FROM ledger_wallet") == [(0,)]
    assert checks.run_checks() == []


async def _swept(book: AsyncBook) -> int:
    from largesse.adapters.postgres.async_book import run as run_async

    async with book.connection() as connection, connection.transaction():
        return await run_async(connection, holding.expire_holds(END, 1))
