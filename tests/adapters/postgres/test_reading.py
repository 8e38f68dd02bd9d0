"""Statements and other reads: the balance after each entry, pages, and what happens in between."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from random import Random

import pytest
from django.db import transaction

from largesse.adapters.postgres import maturing, reading
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.reading import (
    Cursor,
    Entry,
    balances,
    full_statement,
    gifts_of_fan,
    gifts_to_creator,
    platform_balances,
    statement,
)
from largesse.earnings.rules import release_at
from largesse.ledger import rules
from largesse.ledger.lots import lot_of
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    POLICY,
    START,
    AsyncDriver,
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

BOTH = HolderId(5)
"""Somebody who is fan and creator."""
CREATOR = HolderId(1001)


@pytest.fixture
def busy(ledger: DjangoDriver) -> DjangoDriver:
    """A world in which BOTH recharges, gives, receives, owes, repays and cashes out."""
    random = Random(7)
    for round_ in range(6):
        minute = round_ * 10
        when = START + timedelta(minutes=minute)
        ledger.post(
            [recharge(f"r{round_}", BOTH, 50, at=when), bonus(f"b{round_}", BOTH, 9, at=when)]
        )
        ledger.post([recharge(f"o{round_}", 6, 500, at=when)])
        ledger.post_gifts(
            [
                gift(f"g{round_}/{i}", BOTH, random.randrange(1, 9), minutes=minute + i)
                for i in range(5)
            ]
        )
        ledger.post_gifts([gift(f"to{round_}", 6, 41, creator=BOTH, minutes=minute + 6)])
        roll_up_now(when + timedelta(minutes=7))
    later = START + timedelta(days=15)
    with transaction.atomic():
        due = maturing.due(later, 100)
        mine = sum(maturing.take(h, release) or 0 for h, release, _ in due if h == BOTH)
        DjangoBook().post([rules.maturity(key("m"), later, BOTH, mine)])
    ledger.post([rules.payout_requested(key("p"), later, BOTH, 20, "pay")])
    ledger.post([rules.payout_settled(key("ps"), later, BOTH, 20, usd(20), usd(1), "pay")])
    wallet = ledger.wallet(BOTH)
    for name in ("r1", "r5"):
        lot = lot_of(DjangoBook().lots(BOTH), name)
        ledger.post([rules.refund(key(f"back {name}"), later, BOTH, wallet.paid, lot, 50, usd(9))])
    ledger.post([recharge("last", BOTH, 30, at=later)])
    wallet = ledger.wallet(BOTH)
    repaid = rules.debt_repaid(
        key("debt"), later, BOTH, wallet.paid, DjangoBook().lots(BOTH), wallet.debt
    )
    assert repaid is not None
    ledger.post([repaid])
    return ledger


def test_balance_after_each_entry_is_the_sum_of_the_entries_up_to_it(busy: DjangoDriver) -> None:
    entries = list(full_statement(BOTH))
    running: dict[tuple[str, str], int] = defaultdict(int)
    for entry in reversed(entries):
        assert entry.changes
        for change in entry.changes:
            running[change.account, change.asset] += change.change
            assert change.balance_after == running[change.account, change.asset]
    assert {where: value for where, value in running.items() if value} == {
        where: value for where, value in balances(BOTH).items() if value
    }
    assert len(entries) == 6 * (1 + 1 + 5 + 1) + 1 + 2 + 2 + 1 + 1
    assert [entry.at for entry in entries] == sorted((entry.at for entry in entries), reverse=True)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 1000])
def test_pages_together_are_the_full_statement(busy: DjangoDriver, size: int) -> None:
    whole = list(full_statement(BOTH))
    assert list(full_statement(BOTH, page=size)) == whole


def test_last_page_has_no_next(busy: DjangoDriver) -> None:
    whole = list(full_statement(BOTH))
    page = statement(BOTH, len(whole))
    assert page.next is None
    assert list(page.entries) == whole


def test_statement_of_nobody_is_empty(ledger: DjangoDriver) -> None:
    assert statement(HolderId(77), 10).entries == ()
    assert list(full_statement(HolderId(77))) == []
    assert balances(HolderId(77)) == {}


@pytest.mark.parametrize("size", [1, 3, 8])
def test_postings_between_two_pages_do_not_disturb_the_older_ones(
    busy: DjangoDriver, size: int
) -> None:
    whole = list(full_statement(BOTH))
    read: list[Entry] = []
    cursor: Cursor | None = None
    number = 0
    while True:
        page = statement(BOTH, size, cursor)
        read += page.entries
        cursor = page.next
        if cursor is None:
            break
        number += 1
        late = START + timedelta(days=20 + number)
        busy.post([recharge(f"late{number}", BOTH, 7, at=late)])
        busy.post_gifts([gift(f"late{number}", BOTH, 3, minutes=50_000 + number)])
        busy.post_gifts([gift(f"lateto{number}", 6, 2, creator=BOTH, minutes=50_000)])
        roll_up_now(late)
    assert read == whole


def test_first_page_without_gifts_is_followed_by_the_gifts_of_its_moment(
    ledger: DjangoDriver,
) -> None:
    """The page shows journals only; a gift that comes later must not slip into the next one."""
    ledger.post([recharge("r0", BOTH, 50)])
    ledger.post_gifts([gift("g0", BOTH, 1)])
    ledger.post([recharge(f"r{i}", BOTH, 5, at=START + timedelta(hours=i)) for i in range(1, 4)])
    whole = list(full_statement(BOTH))
    first = statement(BOTH, 2)
    ledger.post_gifts([gift("late", BOTH, 2, minutes=900)])
    second = statement(BOTH, 10, first.next)
    assert [*first.entries, *second.entries] == whole


def test_a_page_is_of_one_moment_even_while_gifts_pour_in(
    ledger: DjangoDriver, async_ledger: AsyncDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.post([recharge("r", BOTH, 50)])
    ledger.post_gifts([gift("g", BOTH, 1)])
    real, calls = reading._rows, []

    def gifts_pour_in(sql: str, params: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        found = real(sql, params)
        calls.append(sql)
        async_ledger.post_gifts([gift(f"late{len(calls)}", BOTH, 1)])
        return found

    monkeypatch.setattr(reading, "_rows", gifts_pour_in)
    page = statement(BOTH, 10)
    assert len(calls) > 2
    assert [entry.event for entry in page.entries] == ["gift", "recharge"]
    assert [c.balance_after for entry in page.entries for c in entry.changes] == [49, 50]


def test_gift_entry_tells_what_was_given_and_no_name(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", BOTH, 50), bonus("b", BOTH, 3)])
    posting = gift("g", BOTH, 10, count=2)
    ledger.post_gifts([posting])
    entry = statement(BOTH, 1).entries[0]
    assert (entry.event, entry.at) == ("gift", posting.at)
    assert entry.reference.startswith("gft_")
    assert entry.detail == {"creator": 1001, "room": posting.room, "gift": 7, "count": 2}
    assert {(c.account, c.change) for c in entry.changes} == {("fan_bonus", -3), ("fan_paid", -7)}


def test_gifts_of_a_fan_follow_the_chain(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", BOTH, 50), recharge("o", 5 + 64, 50)])
    for i in range(7):
        ledger.post_gifts([gift(f"g{i}", BOTH, 1 + i), gift(f"o{i}", 5 + 64, 1)])
    every = gifts_of_fan(BOTH, 100)
    assert [row.coins for row in every] == [7, 6, 5, 4, 3, 2, 1]
    assert {row.fan for row in every} == {BOTH}
    assert gifts_of_fan(BOTH, 3) == every[:3]
    assert gifts_of_fan(BOTH, 3, before_seq=every[2].seq) == every[3:6]
    assert gifts_of_fan(BOTH, 3, before_seq=every[-1].seq) == []
    assert gifts_of_fan(HolderId(77), 3) == []


def test_gifts_to_a_creator_are_those_that_were_credited(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", BOTH, 50), recharge("o", 6, 50)])
    for i in range(4):
        ledger.post_gifts(
            [
                gift(f"g{i}", BOTH, 1 + i, minutes=i),
                gift(f"o{i}", 6, 5 + i, minutes=i),
                gift(f"x{i}", 6, 1, creator=CREATOR + 64, minutes=i),
            ]
        )
        roll_up_now(START + timedelta(minutes=i))
    ledger.post_gifts([gift("not yet", BOTH, 9)])
    found = gifts_to_creator(CREATOR, 100)
    assert sorted(row.coins for row in found) == sorted([1, 2, 3, 4, 5, 6, 7, 8])
    assert [row.at for row in found] == sorted((row.at for row in found), reverse=True)
    assert {row.creator for row in found} == {CREATOR}
    assert len(gifts_to_creator(CREATOR, 3)) == 3


def test_queue_of_maturing_diamonds_is_emptied_once(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", BOTH, 50)])
    ledger.post_gifts([gift("g", BOTH, 10)])
    roll_up_now()
    release = release_at(START, POLICY.hold_days)
    assert reading.maturing(CREATOR) == [(release, 5)]
    assert maturing.due(release - timedelta(seconds=1), 10) == []
    assert maturing.due(release, 10) == [(CREATOR, release, 5)]
    with transaction.atomic():
        assert maturing.take(CREATOR, release) == 5
    with transaction.atomic():
        assert maturing.take(CREATOR, release) is None
    assert reading.maturing(CREATOR) == []


def test_platform_balances_hold_all_that_fans_and_creators_do_not(busy: DjangoDriver) -> None:
    people: dict[str, int] = defaultdict(int)
    for holder in {row[0] for row in rows("SELECT holder FROM ledger_wallet")} | {BOTH, CREATOR}:
        for (_, asset), value in balances(HolderId(holder)).items():
            people[asset] += value
    platform: dict[str, int] = defaultdict(int)
    for (_, asset), value in platform_balances().items():
        platform[asset] += value
    assert {asset: value + people[asset] for asset, value in platform.items()} == {
        "COIN": 0,
        "DIAMOND": 0,
        "USD": 0,
    }
