"""Policies are published once; diamonds mature once, however often a run is cut or repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from largesse.adapters.postgres import maturing
from largesse.adapters.postgres.checks import run_checks
from largesse.earnings import selectors
from largesse.earnings.errors import BadPolicy, UnknownPolicy
from largesse.earnings.services import Matured, mature_earnings, publish_policy
from largesse.ledger.accounts import Account
from largesse.ledger.journals import Journal
from largesse.ledger.ports import Book, Posted
from largesse.money.errors import TransientError
from largesse.money.ids import HolderId
from tests.earnings.street import Street

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


@pytest.fixture
def street() -> Street:
    return Street(START)


@pytest.fixture
def sound_books(street: Street) -> Iterator[None]:
    """Check every invariant of the books after the test."""
    yield
    assert run_checks() == []


def mature(street: Street) -> Matured:
    return mature_earnings(street.book, maturing, now=street.now, new_key=street.key)


def balances(street: Street, creator: HolderId) -> tuple[int, int]:
    return (
        street.book.balance(creator, Account.CREATOR_PENDING),
        street.book.balance(creator, Account.CREATOR_AVAILABLE),
    )


# --- Policies ------------------------------------------------------------------------------------


def test_the_first_policy_comes_with_the_database() -> None:
    policy = selectors.current_policy(START)
    assert (policy.number, policy.version, policy.share_bp) == (1, "share-2026-11", 5_000)
    assert selectors.policies() == [policy]


def test_a_published_policy_rules_from_its_date() -> None:
    later = START + timedelta(days=30)
    published = publish_policy(version="more", share_bp=7_500, effective_at=later, now=START)
    assert published.number == 2
    assert selectors.current_policy(START).number == 1
    assert selectors.current_policy(later) == published
    assert selectors.policy_by_number(2) == published
    assert published.diamond_micro == selectors.policy_by_number(1).diamond_micro


def test_publishing_again_is_the_same_policy_and_other_terms_are_refused() -> None:
    first = publish_policy(version="more", share_bp=7_500, effective_at=START, now=START)
    again = publish_policy(version="more", share_bp=7_500, effective_at=START, now=START)
    assert again == first
    with pytest.raises(BadPolicy, match="share_bp"):
        publish_policy(version="more", share_bp=8_000, effective_at=START, now=START)
    with pytest.raises(BadPolicy):
        publish_policy(version="most", share_bp=10_001, effective_at=START, now=START)
    assert len(selectors.policies()) == 2


def test_unknown_policies_are_named() -> None:
    with pytest.raises(UnknownPolicy):
        selectors.policy_by_number(99)
    with pytest.raises(UnknownPolicy):
        selectors.current_policy(datetime(1999, 1, 1, tzinfo=UTC))


# --- Maturity ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sound_books")
def test_diamonds_are_pending_until_their_hold_ends(street: Street) -> None:
    creator = street.holder("mara")
    street.earn(creator, 1_001)
    assert balances(street, creator) == (500, 0)
    street.wait(days=6)
    assert mature(street) == Matured(0, 0)
    street.wait(days=2)
    assert mature(street) == Matured(1, 500)
    assert balances(street, creator) == (0, 500)
    assert mature(street) == Matured(0, 0)


@pytest.mark.usefixtures("sound_books")
def test_the_odd_coin_is_carried_to_the_next_gift(street: Street) -> None:
    creator = street.holder("mara")
    street.earn(creator, 1)
    street.earn(creator, 1)
    assert balances(street, creator) == (1, 0)


@pytest.mark.usefixtures("sound_books")
def test_several_hours_and_creators_mature_in_one_run(street: Street) -> None:
    mara, ilse = street.holder("mara"), street.holder("ilse")
    for hours in range(3):
        street.now = START + timedelta(hours=hours)
        street.earn(mara, 10)
    street.earn(ilse, 8)
    street.wait(days=8)
    assert mature(street) == Matured(2, 19)
    assert (balances(street, mara), balances(street, ilse)) == ((0, 15), (0, 4))


@pytest.mark.usefixtures("sound_books")
def test_gifts_credited_late_into_an_hour_that_matured_mature_too(street: Street) -> None:
    creator = street.holder("mara")
    street.earn(creator, 10)
    earned = street.now
    street.wait(days=8)
    mature(street)
    street.now = earned
    street.earn(creator, 10)
    street.wait(days=8)
    assert mature(street) == Matured(1, 5)
    assert balances(street, creator) == (0, 10)


class FallingBook:
    """A book whose connection gives way after one posting, before its commit."""

    def __init__(self, street: Street, fall_at: int) -> None:
        self.street = street
        self.posts_left = fall_at

    def post(self, journals: Sequence[Journal]) -> list[Posted]:
        posted = self.street.book.post(journals)
        self.posts_left -= 1
        if self.posts_left == 0:
            raise TransientError("The connection was lost.")
        return posted

    def __getattr__(self, name: str) -> object:
        return getattr(self.street.book, name)


@pytest.mark.usefixtures("sound_books")
@pytest.mark.parametrize("fall_at", [1, 2, 3])
def test_a_run_that_is_cut_loses_and_doubles_nothing(street: Street, fall_at: int) -> None:
    creators = [street.holder(name) for name in ("mara", "ilse", "noor")]
    for creator in creators:
        street.earn(creator, 100)
    street.wait(days=8)
    book = FallingBook(street, fall_at)
    with pytest.raises(TransientError):
        mature_earnings(cast("Book", book), maturing, now=street.now, new_key=street.key)
    done = [creator for creator in creators if balances(street, creator) == (0, 50)]
    assert len(done) == fall_at - 1
    left = 4 - fall_at
    assert mature(street) == Matured(left, 50 * left)
    assert all(balances(street, creator) == (0, 50) for creator in creators)


def test_a_row_is_taken_by_one_of_two_runs(street: Street) -> None:
    creator = street.holder("mara")
    street.earn(creator, 100)
    street.wait(days=8)
    due = maturing.due(street.now, 10)

    class Stale:
        """A run that looked before another one took the rows."""

        def due(self, now: datetime, limit: int) -> list[tuple[HolderId, datetime, int]]:
            return due

        def take(self, holder: HolderId, release_at: datetime) -> int | None:
            return maturing.take(holder, release_at)

    assert mature(street) == Matured(1, 50)
    assert mature_earnings(street.book, Stale(), now=street.now, new_key=street.key) == Matured(
        0, 0
    )
    assert balances(street, creator) == (0, 50)
