"""Storms on payouts: 32 threads on one balance, key, claim and answer. Each counts once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from largesse.adapters.postgres import maturing
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.checks import run_checks
from largesse.earnings.selectors import current_policy
from largesse.earnings.services import mature_earnings
from largesse.ledger.accounts import Account
from largesse.money.ids import HolderId, PayoutId
from largesse.payouts import services
from largesse.payouts.models import DestinationKind, Payout
from largesse.payouts.rules import Status
from largesse.people.sealing import Seal
from tests.adapters.postgres.ledger_world import empty_ledger
from tests.earnings.street import Street
from tests.payouts.bank import Bank
from tests.storms import rounds, thread_storm

pytestmark = [
    pytest.mark.django_db(
        transaction=True, available_apps=["largesse.adapters.postgres", "largesse.payouts"]
    ),
    pytest.mark.slow,
]

START = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
SEAL = Seal("a secret of this test, long enough", services.SEAL_PURPOSE)
DIAMONDS = 5_000
SENT = 160


class World:
    """A creator for each round, whose diamonds have come to the end of their hold."""

    def __init__(self) -> None:
        self.street = Street(START)
        self.creators = [self.street.holder(f"creator {number}") for number in rounds()]
        for creator in self.creators:
            self.street.earn(creator, 2 * DIAMONDS)
        self.street.wait(days=8)
        self.destinations = {
            creator: services.add_destination(
                seal=SEAL,
                holder=creator,
                kind=DestinationKind.BANK,
                account="DE89370400440532013000",
                destination_id=self.street.new_id(),
                now=self.street.now,
            ).pk
            for creator in self.creators
        }

    def mature(self) -> int:
        done = mature_earnings(DjangoBook(), maturing, now=self.street.now, new_key=self.street.key)
        return done.diamonds

    def request(self, creator: HolderId, key: UUID, payout_id: int) -> Payout:
        """Ask for everything."""
        return services.request_payout(
            book=DjangoBook(),
            policy=current_policy(self.street.now),
            holder=creator,
            destination_id=self.destinations[creator],
            diamonds=DIAMONDS,
            payout_id=PayoutId(payout_id),
            key=key,
            now=self.street.now,
        )

    def balance(self, creator: HolderId, account: Account) -> int:
        return self.street.book.balance(creator, account)


@pytest.fixture
def world() -> Iterator[World]:
    """The world, whose books are sound after the storm; nothing of it stays."""
    empty_ledger()
    yield World()
    assert run_checks() == []
    empty_ledger()


def test_what_is_due_matures_once(world: World) -> None:
    found = thread_storm(lambda _: str(world.mature()), SENT)
    assert sum(int(diamonds) * times for diamonds, times in found.items()) == DIAMONDS * len(
        world.creators
    )
    for creator in world.creators:
        assert world.balance(creator, Account.CREATOR_AVAILABLE) == DIAMONDS


def test_all_diamonds_are_requested_once(world: World) -> None:
    world.mature()
    for creator in world.creators:
        keys = [(world.street.key(), world.street.new_id()) for _ in range(SENT)]

        def request(number: int, creator=creator, keys=keys) -> str:
            return world.request(creator, *keys[number]).status

        found = thread_storm(request, SENT)
        assert found == {Status.REQUESTED.value: 1, "payout_refused": SENT - 1}
        assert world.balance(creator, Account.CREATOR_HELD) == DIAMONDS
        assert world.balance(creator, Account.CREATOR_AVAILABLE) == 0


def test_one_key_is_one_payout(world: World) -> None:
    world.mature()
    for creator in world.creators:
        key, ids = world.street.key(), [world.street.new_id() for _ in range(SENT)]

        def request(number: int, creator=creator, key=key, ids=ids) -> str:
            return str(world.request(creator, key, ids[number]).pk)

        assert list(thread_storm(request, SENT).values()) == [SENT]
        assert world.balance(creator, Account.CREATOR_HELD) == DIAMONDS


def test_one_payout_is_sent_once_and_settles_once_whoever_claims_it(world: World) -> None:
    world.mature()
    bank = Bank()
    for number, creator in enumerate(world.creators):
        payout = world.request(creator, world.street.key(), world.street.new_id())

        def sweep(_: int) -> str:
            services.sweep_payouts(
                book=DjangoBook(), transfers=bank, seal=SEAL, now=lambda: world.street.now
            )
            return "swept"

        assert thread_storm(sweep, SENT) == {"swept": SENT}
        assert bank.sends[-1] == payout.key
        assert len(set(bank.sends)) == len(bank.transfers) == number + 1
        bank.conclude(payout.key, "settled")

        def learn(_: int, name: str = payout.public_id) -> str:
            return str(
                services.refresh_payout(
                    name, book=DjangoBook(), transfers=bank, now=world.street.now
                )
            )

        assert thread_storm(learn, SENT) == {"True": SENT}
        assert Payout.objects.get(pk=payout.pk).status == Status.SETTLED
        assert world.balance(creator, Account.CREATOR_HELD) == 0
