"""Chains of journals: every balance of a world with every event follows from zero, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from largesse.adapters.postgres import maturing, reading
from largesse.adapters.postgres.explaining import (
    Chain,
    Target,
    accounts_of,
    chain,
    one_moment,
    platform_assets,
)
from largesse.adapters.postgres.telling import tell
from largesse.earnings.selectors import policies
from largesse.earnings.services import mature_earnings
from largesse.ledger.accounts import ACCOUNTS, Account
from largesse.ledger.explain import Before, Link, sentence
from largesse.ledger.journals import Event
from largesse.ledger.sentences import UNKNOWN
from largesse.money.ids import BUCKETS, HolderId, fan_bucket
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    AsyncDriver,
    DjangoDriver,
    empty_ledger,
    gift,
    known_policies,
    recharge,
    rows,
)
from tests.earnings.street import Street
from tests.finance.export_world import ANN, BEN, CAI, CREATOR, DEE, tell_story

PEOPLE = (ANN, BEN, CAI, DEE, CREATOR)
PLATFORM_ACCOUNTS = [account for account in ACCOUNTS.values() if not account.personal]


@pytest.fixture
def story(transactional_db: None) -> Iterator[None]:
    empty_ledger()
    with known_policies():
        tell_story(DjangoDriver())
        yield
    empty_ledger()


def read(target: Target, limit: int | None = None) -> tuple[Chain, list[Link]]:
    with one_moment():
        found = chain(target, limit)
        return found, list(found.links)


def said(links: list[Link], target: Target) -> list[str]:
    return [sentence(link.told, target.account, target.asset) for link in links]


def every_target() -> list[Target]:
    """Every account of every person and of the platform, over all buckets and in each."""
    people = [target for holder in PEOPLE for target in accounts_of(holder)]
    everywhere = [t for account in PLATFORM_ACCOUNTS for t in platform_assets(account)]
    in_buckets = [
        target
        for account in PLATFORM_ACCOUNTS
        for bucket in range(BUCKETS)
        for target in platform_assets(account, bucket)
    ]
    return people + everywhere + in_buckets


@COMMITTED
@pytest.mark.usefixtures("story")
def test_every_chain_of_every_account_starts_at_zero_and_ends_at_the_stored_balance() -> None:
    stored = {
        (code, asset, holder, bucket): balance
        for bucket, holder, code, asset, balance in rows(
            "SELECT bucket, holder, code, asset, balance FROM ledger_account UNION ALL "
            "SELECT bucket, 0, 'gift_clearing', 'COIN', gift_clearing FROM ledger_bucket UNION ALL "
            "SELECT bucket, holder, 'fan_debt', 'COIN', -debt FROM ledger_wallet UNION ALL "
            "SELECT bucket, holder, 'fan_paid', 'COIN', paid_issued - paid_next - paid_void "
            "FROM ledger_wallet UNION ALL SELECT bucket, holder, 'fan_bonus', 'COIN', "
            "bonus_issued - bonus_next - bonus_void FROM ledger_wallet"
        )
    }
    seen: dict[tuple[str, str, int, int], int] = {}
    events: set[Event] = set()
    for target in every_target():
        found, links = read(target)
        assert found.before == Before()
        balance = 0
        for link in links:
            balance += link.move.change
            assert link.balance_after == balance
        assert balance == found.stored, target
        events |= {link.told.event for link in links}
        assert not any(UNKNOWN.split("%")[0] in line for line in said(links, target)), target
        if target.home is not None:
            seen[target.account.code, target.asset, target.holder, target.home] = found.stored
    assert events == set(Event)
    assert {where: held for where, held in stored.items() if held} == {
        where: held for where, held in seen.items() if held
    }


@COMMITTED
@pytest.mark.usefixtures("story")
@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_a_short_chain_says_what_came_before(limit: int) -> None:
    for target in (
        Target(Account.FAN_PAID, "COIN", BEN),
        Target(Account.FAN_BONUS, "COIN", ANN),
        Target(Account.CREATOR_AVAILABLE, "DIAMOND", CREATOR),
        Target(Account.DEFERRED_REVENUE, "JPY"),
        Target(Account.GIFT_CLEARING, "COIN"),
        Target(Account.ISSUED, "COIN", bucket=fan_bucket(ANN)),
    ):
        whole = read(target)[1]
        found, links = read(target, limit)
        left = whole[:-limit]
        assert links == whole[-limit:]
        assert found.before == Before(len(left), left[-1].balance_after if left else 0)
        assert links[-1].balance_after == found.stored


@COMMITTED
@pytest.mark.usefixtures("story")
def test_the_story_reads_in_plain_words() -> None:
    [first] = [policy for policy in policies() if policy.number == 1]
    ruled = f"{first.version} (50 %)"
    ann = Target(Account.FAN_BONUS, "COIN", ANN)
    assert said(read(ann)[1], ann) == [
        "Received 50 bonus coins at no price: promo.",
        (
            f"Gave a gift to somebody for 7 coins under share policy {ruled}. "
            "Spent 7 bonus coins (serials 0 to 6), which had cost nothing."
        ),
        (
            f"Gave a gift to somebody for 9 coins under share policy {ruled}. "
            "Spent 9 bonus coins (serials 7 to 15), which had cost nothing."
        ),
        (
            f"Gave a gift to somebody for 12 coins under share policy {ruled}. "
            "Spent 12 bonus coins (serials 16 to 27), which had cost nothing."
        ),
        "Expired unused: 22 bonus coins.",
    ]
    ben = Target(Account.FAN_DEBT, "COIN", BEN)
    assert said(read(ben)[1], ben) == [
        (
            "Gave back 1,600 JPY of recharge rch_ben. Took back 81 coins that nobody had spent. "
            "Short of 1,119 coins, spent before: they are owed, and gifts wait until then."
        ),
        "Set 1,119 coins, bought since, against the coins that a refund had found spent.",
    ]
    bank = Target(Account.BANK, "USD")
    assert said(read(bank)[1], bank) == [
        "The payment provider paid out 4.78 USD with settlement stl_1.",
        "Sent 3.31 USD to somebody, payout pay_1.",
        "Payout pay_1 to somebody came back: the bank received 3.31 USD. Reason: closed.",
    ]


@COMMITTED
@pytest.mark.usefixtures("story")
def test_a_refund_and_a_gift_point_to_the_recharges_that_they_follow_from() -> None:
    links = read(Target(Account.FAN_PAID, "COIN", BEN))[1]
    first = links[0].move
    origin = f"b{first.bucket:03}-{first.seq}"
    by_event = {link.told.event: link.told for link in links}
    assert by_event[Event.GIFT].sources == (origin,)
    assert by_event[Event.GIFT].lots == ("rch_ben",)
    assert by_event[Event.REFUND].sources == (origin,)


@COMMITTED
@pytest.mark.usefixtures("story")
def test_costs_of_all_gifts_and_what_is_left_sum_to_what_was_paid() -> None:
    """Across void serials too: the gift after a refund skips what the refund took."""
    driver = DjangoDriver()
    driver.post_gifts([gift("after the void", BEN, 100, minutes=60 * 24 * 21)])
    links = read(Target(Account.FAN_PAID, "COIN", BEN))[1]
    told = links[-1].told
    assert sum(len(serials) for serials in told.paid) == 100
    assert told.lots == ("rch_ben_2",)
    cost = sum(link.told.cost.get("JPY", 0) for link in links if link.told.event is Event.GIFT)
    # 1,119 of 1,200 coins for 1,600 yen, then coins 1,120 to 1,219 of 2,000 for 2,600.
    assert cost == 1600 * 1119 // 1200 + 2600 * 1219 // 2000 - 2600 * 1119 // 2000


@COMMITTED
@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    ("sql", "target"),
    [
        (
            "UPDATE ledger_account SET balance = balance + 1 WHERE code = 'bank'",
            Target(Account.BANK, "USD"),
        ),
        (
            "UPDATE ledger_wallet SET paid_next = paid_next + 1 WHERE holder = 70",
            Target(Account.FAN_PAID, "COIN", ANN),
        ),
        ("DELETE FROM ledger_gift WHERE coins = 250", Target(Account.GIFT_CLEARING, "COIN")),
    ],
)
def test_a_tampered_book_does_not_end_at_its_stored_balance(sql: str, target: Target) -> None:
    rows(sql)
    for limit in (None, 2):
        found, links = read(target, limit)
        assert links[-1].balance_after != found.stored


@COMMITTED
@pytest.mark.usefixtures("story")
def test_a_chain_longer_than_a_look_at_its_facts_is_whole() -> None:
    driver = DjangoDriver()
    driver.post([recharge("many", DEE, 2_000)])
    driver.post_gifts([gift(f"many {n}", DEE, 1, minutes=n) for n in range(1_100)])
    found, links = read(Target(Account.FAN_PAID, "COIN", DEE))
    assert len(links) == 1_102
    assert links[-1].balance_after == found.stored == 1_000


@pytest.mark.django_db
def test_a_maturity_says_since_when_its_diamonds_were_pending() -> None:
    street = Street(datetime(2026, 11, 1, 8, tzinfo=UTC))
    creator = street.holder("creator")
    earned = []
    for _ in range(5):
        earned.append(street.now)
        street.earn(creator, 100)
        street.wait(1)
    hold = timedelta(days=policies()[0].hold_days)
    for last in (earned[1], earned[3], earned[4]):
        street.now = last + hold
        mature_earnings(street.book, maturing, now=street.now, new_key=street.key)
    for account in (Account.CREATOR_PENDING, Account.CREATOR_AVAILABLE):
        target = Target(account, "DIAMOND", creator)
        matured = [link for link in read(target)[1] if link.told.event is Event.MATURITY]
        amounts = [abs(link.move.change) for link in matured]
        firsts = [earned[sum(amounts[:n]) // 50] for n in range(len(amounts))]
        assert [link.told.since for link in matured] == firsts
        assert amounts == [100, 100, 50]
    newest = read(Target(Account.CREATOR_AVAILABLE, "DIAMOND", creator), 1)[1]
    assert newest[-1].told.since == earned[4]


@pytest.mark.django_db
def test_an_earning_of_less_than_a_diamond_names_its_creator_and_what_is_left_over() -> None:
    street = Street(datetime(2026, 11, 1, 8, tzinfo=UTC))
    creator = street.holder("creator")
    street.earn(creator, 1)
    street.earn(creator, 2)
    clearing = read(Target(Account.REDEEMED, "COIN"))[1]
    assert [link.told.gifts for link in clearing] == [1, 1]
    assert [link.told.remainder for link in clearing] == [5_000, 5_000]
    pending = Target(Account.CREATOR_PENDING, "DIAMOND", creator)
    [line] = said(read(pending)[1], pending)
    assert line.startswith("1 gift of 2 coins became 1 diamond under share policy ")
    assert line.endswith("0.5 of a diamond is left over and counts towards the next gifts.")


@pytest.mark.django_db
def test_a_page_of_a_statement_is_told_in_a_number_of_queries_that_does_not_grow(
    django_assert_max_num_queries,
) -> None:
    street = Street(START)
    fan, creator = street.holder("fan"), street.holder("creator")
    street.recharge(fan, 1_000, 1_000)
    for _ in range(30):
        street.gift(fan, creator, 3)
    entries = reading.statement(fan, 50).entries
    with django_assert_max_num_queries(12):
        told = tell((entry.bucket, entry.seq) for entry in entries)
    assert set(told) == {(entry.bucket, entry.seq) for entry in entries}


@pytest.mark.django_db
def test_a_person_without_a_ledger_has_empty_chains() -> None:
    for target in accounts_of(HolderId(5)):
        found, links = read(target, 3)
        assert (found.stored, found.before, links) == (0, Before(), [])
    assert platform_assets(Account.BANK) == []


@COMMITTED
@pytest.mark.usefixtures("story")
def test_what_is_posted_while_a_chain_is_read_is_not_in_it() -> None:
    target = Target(Account.FAN_PAID, "COIN", CAI)
    elsewhere = AsyncDriver()
    try:
        with one_moment():
            found = chain(target)
            elsewhere.post([recharge("later", CAI, 5)])
            links = list(found.links)
            assert links[-1].balance_after == found.stored
            assert chain(target).stored == found.stored
    finally:
        elsewhere.close()
    after, links = read(target)
    assert links[-1].balance_after == after.stored == found.stored + 5
