"""Gifts on real PostgreSQL, through both executors: outcomes, order, serials, chains."""

from __future__ import annotations

import pytest
from django.db import transaction

from largesse.adapters.postgres import checks
from largesse.adapters.postgres.book import DjangoBook
from largesse.ledger import rules
from largesse.ledger.accounts import Account, AccountRef
from largesse.ledger.gifts import GiftPosting
from largesse.ledger.journals import Event, Journal, NewVoid, Transfer
from largesse.ledger.lots import CoinClass, SerialRange
from largesse.money.amounts import Amount
from largesse.money.assets import COIN
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    Driver,
    bonus,
    gift,
    key,
    recharge,
    rows,
    usd,
)

pytestmark = COMMITTED

FAN, OTHER, SAME_BUCKET = 5, 6, 5 + 64


def outcomes(book: Driver, gifts: list[GiftPosting]) -> list[tuple[str, int]]:
    return [(result.outcome, result.balance) for result in book.post_gifts(gifts)]


def ranges(fan: int) -> list[tuple[object, ...]]:
    return rows(
        "SELECT coins, bonus, paid_from, paid_to, bonus_from, bonus_to FROM ledger_gift "
        "WHERE fan = %s ORDER BY seq",
        fan,
    )


def voiding(name: str, *serials: SerialRange) -> Journal:
    """A refund of exactly these serials of FAN's only lot, as the refund rule would book it."""
    count = sum(len(part) for part in serials)
    transfer = Transfer(
        AccountRef(Account.FAN_PAID, HolderId(FAN)),
        AccountRef(Account.REVOKED),
        Amount(count, COIN),
    )
    voids = tuple(NewVoid(CoinClass.PAID, part) for part in serials)
    return Journal(key(name), Event.REFUND, FAN, START, (transfer,), name, voids=voids)


@pytest.fixture(autouse=True)
def _books_hold(ledger: Driver) -> object:
    """Every test here ends with books that hold."""
    yield
    assert checks.run_checks() == []


def freeze(*, frozen: bool) -> None:
    with transaction.atomic():
        DjangoBook().freeze(HolderId(FAN), frozen=frozen)


def test_posted_gift_tells_where_it_stands(book: Driver) -> None:
    book.post([recharge("r", FAN, 100)])
    [result] = book.post_gifts([gift("g", FAN, 30)])
    assert (result.outcome, result.seq, result.bonus, result.balance) == ("posted", 2, 0, 70)
    assert book.wallet(HolderId(FAN)).spendable == 70


def test_nothing_to_post_is_nothing(book: Driver) -> None:
    assert book.post_gifts([]) == []
    assert book.post([]) == []


def test_replay_changes_nothing_and_answers_where_the_gift_stands(book: Driver) -> None:
    book.post([recharge("r", FAN, 100), bonus("b", FAN, 10)])
    [first] = book.post_gifts([gift("g", FAN, 30)])
    assert (first.bonus, first.balance) == (10, 80)
    for _ in range(3):
        [again] = book.post_gifts([gift("g", FAN, 30)])
        assert (again.outcome, again.seq, again.bonus, again.balance) == (
            "replayed",
            first.seq,
            10,
            80,
        )


def test_replay_is_answered_where_a_new_gift_would_be_refused(book: Driver) -> None:
    book.post([recharge("r", FAN, 30)])
    book.post_gifts([gift("g", FAN, 30)])
    assert outcomes(book, [gift("g", FAN, 30)]) == [("replayed", 0)]
    freeze(frozen=True)
    assert outcomes(book, [gift("g", FAN, 30)]) == [("replayed", 0)]


@pytest.mark.parametrize(
    "other",
    [
        gift("g", FAN, 31),
        gift("g", FAN, 30, creator=1002),
        gift("g", FAN, 30, count=2),
    ],
    ids=["coins", "creator", "count"],
)
def test_key_with_another_body_is_refused(book: Driver, other: GiftPosting) -> None:
    book.post([recharge("r", FAN, 100)])
    book.post_gifts([gift("g", FAN, 30)])
    assert outcomes(book, [other]) == [("key_reused", 70)]


def test_unknown_fan_has_no_coins(book: Driver) -> None:
    assert outcomes(book, [gift("g", FAN, 1)]) == [("insufficient", 0)]


def test_insufficient_says_what_there_was(book: Driver) -> None:
    book.post([recharge("r", FAN, 29)])
    assert outcomes(book, [gift("g", FAN, 30)]) == [("insufficient", 29)]
    assert outcomes(book, [gift("h", FAN, 29)]) == [("posted", 0)]


def test_freeze_blocks_until_it_ends(book: Driver) -> None:
    book.post([recharge("r", FAN, 100)])
    freeze(frozen=True)
    assert outcomes(book, [gift("g", FAN, 30)]) == [("blocked", 100)]
    assert book.wallet(HolderId(FAN)).spendable == 0
    freeze(frozen=False)
    assert outcomes(book, [gift("g", FAN, 30)]) == [("posted", 70)]


def test_debt_blocks_until_it_is_repaid(book: Driver) -> None:
    fan = HolderId(FAN)
    book.post([recharge("r", FAN, 100)])
    book.post_gifts([gift("g", FAN, 80)])
    wallet = book.wallet(fan)
    [lot] = DjangoBook().lots(fan)
    book.post([rules.refund(key("back"), START, fan, wallet.paid, lot, 100, usd(200))])
    assert book.wallet(fan).debt == 80
    book.post([recharge("r2", FAN, 90)])
    assert outcomes(book, [gift("h", FAN, 1)]) == [("blocked", 90)]
    wallet = book.wallet(fan)
    repaid = rules.debt_repaid(
        key("debt"), START, fan, wallet.paid, DjangoBook().lots(fan), wallet.debt
    )
    assert repaid is not None
    book.post([repaid])
    assert outcomes(book, [gift("h", FAN, 11)]) == [("insufficient", 10)]
    assert outcomes(book, [gift("i", FAN, 10)]) == [("posted", 0)]


def test_bonus_coins_go_first_and_a_gift_may_take_both(book: Driver) -> None:
    book.post([recharge("r", FAN, 100), bonus("b", FAN, 25)])
    batch = [gift("g1", FAN, 20), gift("g2", FAN, 20), gift("g3", FAN, 20)]
    assert [r.bonus for r in book.post_gifts(batch)] == [20, 5, 0]
    assert ranges(FAN) == [
        (20, 20, 0, 0, 0, 20),
        (20, 5, 0, 15, 20, 25),
        (20, 0, 15, 35, 25, 25),
    ]


def test_one_by_one_spends_the_same_serials_as_a_batch(book: Driver) -> None:
    for fan in (FAN, OTHER):
        book.post([recharge(f"r{fan}", fan, 100), bonus(f"b{fan}", fan, 25)])
    sizes = [20, 20, 1, 84]
    book.post_gifts([gift(f"g{i}", FAN, size) for i, size in enumerate(sizes)])
    for i, size in enumerate(sizes):
        book.post_gifts([gift(f"g{i}", OTHER, size)])
    assert ranges(FAN) == ranges(OTHER)


def test_arrival_order_decides_who_can_be_afforded(book: Driver) -> None:
    book.post([recharge("r", FAN, 10)])
    batch = [gift("a", FAN, 7), gift("b", FAN, 5), gift("c", FAN, 3), gift("d", FAN, 1)]
    assert outcomes(book, batch) == [
        ("posted", 3),
        ("insufficient", 3),
        ("posted", 0),
        ("insufficient", 0),
    ]


def test_a_poor_fan_does_not_disturb_the_others_of_the_batch(book: Driver) -> None:
    book.post([recharge("r1", FAN, 10), recharge("r2", OTHER, 10), recharge("r3", SAME_BUCKET, 10)])
    batch = [
        gift("a", FAN, 8),
        gift("b", OTHER, 10),
        gift("c", FAN, 8),
        gift("d", SAME_BUCKET, 4),
        gift("e", FAN, 2),
        gift("f", SAME_BUCKET, 6),
    ]
    assert outcomes(book, batch) == [
        ("posted", 2),
        ("posted", 0),
        ("insufficient", 2),
        ("posted", 6),
        ("posted", 0),
        ("posted", 0),
    ]


def test_same_gift_twice_in_a_batch_is_posted_once(book: Driver) -> None:
    book.post([recharge("r", FAN, 100)])
    first, second = book.post_gifts([gift("g", FAN, 30), gift("g", FAN, 30)])
    assert (first.outcome, first.balance) == ("posted", 70)
    assert (second.outcome, second.seq, second.balance) == ("replayed", first.seq, 70)


def test_same_gift_twice_beside_others_of_the_fan_takes_exactly_their_coins(book: Driver) -> None:
    book.post([recharge("r", FAN, 15)])
    batch = [gift("a", FAN, 5), gift("a", FAN, 5), gift("b", FAN, 5)]
    assert outcomes(book, batch) == [("posted", 10), ("replayed", 10), ("posted", 5)]
    assert ranges(FAN) == [(5, 0, 0, 5, 0, 0), (5, 0, 5, 10, 0, 0)]


def test_same_key_with_another_body_in_one_batch(book: Driver) -> None:
    book.post([recharge("r", FAN, 100)])
    batch = [gift("a", FAN, 5), gift("a", FAN, 6), gift("b", FAN, 7)]
    assert outcomes(book, batch) == [("posted", 95), ("key_reused", 95), ("posted", 88)]


def test_replay_beside_new_gifts_is_answered_in_arrival_order(book: Driver) -> None:
    book.post([recharge("r", FAN, 100)])
    book.post_gifts([gift("a", FAN, 5)])
    batch = [gift("b", FAN, 10), gift("a", FAN, 5), gift("c", FAN, 10)]
    assert outcomes(book, batch) == [("posted", 85), ("replayed", 85), ("posted", 75)]


def test_refused_gift_may_be_sent_again_with_its_key(book: Driver) -> None:
    assert outcomes(book, [gift("g", FAN, 5)]) == [("insufficient", 0)]
    book.post([recharge("r", FAN, 5)])
    assert outcomes(book, [gift("g", FAN, 5)]) == [("posted", 0)]


@pytest.mark.parametrize(
    ("void", "spent"),
    [
        (SerialRange(0, 3), [(5, 0, 0, 8, 0, 0), (2, 0, 8, 10, 0, 0)]),
        (SerialRange(4, 7), [(5, 0, 0, 8, 0, 0), (2, 0, 8, 10, 0, 0)]),
        (SerialRange(5, 8), [(5, 0, 0, 5, 0, 0), (2, 0, 5, 10, 0, 0)]),
        (SerialRange(7, 10), [(5, 0, 0, 5, 0, 0), (2, 0, 5, 7, 0, 0)]),
    ],
    ids=["head", "inside a gift", "between gifts", "tail"],
)
def test_void_serials_are_skipped_as_the_pure_purse_skips_them(
    book: Driver, void: SerialRange, spent: list[tuple[int, ...]]
) -> None:
    fan = HolderId(FAN)
    book.post([recharge("r", FAN, 10)])
    book.post([voiding("v", void)])
    purse = book.wallet(fan).paid
    expected = []
    for coins in (5, 2):
        purse, taken = purse.take(coins)
        expected.append((coins, 0, taken.start, taken.stop, 0, 0))
    assert expected == spent
    batch = [gift("a", FAN, 5), gift("b", FAN, 2), gift("c", FAN, 1)]
    assert outcomes(book, batch) == [("posted", 2), ("posted", 0), ("insufficient", 0)]
    assert ranges(FAN) == spent
    assert book.wallet(fan).paid == purse


def test_several_voids_then_new_coins(book: Driver) -> None:
    fan = HolderId(FAN)
    book.post([recharge("r", FAN, 10)])
    book.post([voiding("v", SerialRange(1, 3), SerialRange(3, 4), SerialRange(8, 10))])
    assert book.wallet(fan).spendable == 5
    assert outcomes(book, [gift("a", FAN, 5)]) == [("posted", 0)]
    book.post([recharge("r2", FAN, 4)])
    assert outcomes(book, [gift("b", FAN, 4)]) == [("posted", 0)]
    assert ranges(FAN) == [(5, 0, 0, 8, 0, 0), (4, 0, 8, 14, 0, 0)]


def test_every_gift_names_the_gift_before_it(book: Driver) -> None:
    book.post([recharge("r1", FAN, 100), recharge("r2", SAME_BUCKET, 100)])
    book.post_gifts([gift("a", FAN, 1), gift("b", SAME_BUCKET, 1), gift("c", FAN, 1)])
    book.post_gifts([gift("d", FAN, 1)])
    book.post_gifts([gift("e", SAME_BUCKET, 1), gift("f", FAN, 1), gift("g", FAN, 1)])
    for fan in (FAN, SAME_BUCKET):
        chain = rows("SELECT seq, prev_seq FROM ledger_gift WHERE fan = %s ORDER BY seq", fan)
        seqs = [seq for seq, _ in chain]
        assert [prev for _, prev in chain] == [0, *seqs[:-1]]
        head = rows("SELECT head_seq FROM ledger_wallet WHERE holder = %s", fan)
        assert head == [(seqs[-1],)]


def test_large_batch_of_mixed_fans_equals_one_by_one(book: Driver) -> None:
    fans = range(1, 41)
    book.post([recharge(f"r{fan}", fan, fan * 3) for fan in fans])
    batch = [
        gift(f"g{i}", fan, 1 + (i * 7 + fan) % 9, creator=1000 + i % 3)
        for i in range(12)
        for fan in fans
    ]
    results = book.post_gifts(batch)
    left = {fan: fan * 3 for fan in fans}
    for posting, result in zip(batch, results, strict=True):
        if posting.coins <= left[posting.fan]:
            left[posting.fan] -= posting.coins
            assert (result.outcome, result.balance) == ("posted", left[posting.fan])
        else:
            assert (result.outcome, result.balance) == ("insufficient", left[posting.fan])


def test_a_fan_who_asks_for_more_than_any_number_spoils_no_batch(book: Driver) -> None:
    book.post([recharge("r", FAN, 9), recharge("o", FAN + 1, 9)])
    batch = [gift(f"huge {n}", FAN, 2**62) for n in range(3)]
    batch += [gift(f"small {n}", FAN + 1, 1) for n in range(3)]
    found = [(result.outcome, result.balance) for result in book.post_gifts(batch)]
    assert found == [("insufficient", 9)] * 3 + [("posted", 8), ("posted", 7), ("posted", 6)]
