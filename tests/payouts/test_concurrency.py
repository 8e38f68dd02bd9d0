"""Requests, sweeps and maturities at the same moment, on committed rows and real connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection

from largesse.adapters.postgres import maturing
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.checks import run_checks
from largesse.earnings.selectors import current_policy
from largesse.earnings.services import mature_earnings
from largesse.ledger.accounts import Account
from largesse.money.ids import HolderId, PayoutId
from largesse.payouts import services
from largesse.payouts.errors import PayoutRefused
from largesse.payouts.models import Destination, DestinationKind, Payout
from largesse.payouts.rules import Status
from largesse.people.sealing import Seal
from tests.adapters.postgres.ledger_world import empty_ledger
from tests.earnings.street import Street
from tests.payouts.bank import Bank

pytestmark = pytest.mark.django_db(
    transaction=True, available_apps=["largesse.adapters.postgres", "largesse.payouts"]
)
START = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
SEAL = Seal("a secret of this test, long enough", services.SEAL_PURPOSE)
AT_ONCE = 8

T = TypeVar("T")


class World:
    """A creator whose 5,000 diamonds have come to the end of their hold."""

    def __init__(self) -> None:
        self.street = Street(START)
        self.creator = self.street.holder("mara")
        self.street.earn(self.creator, 10_000)
        self.street.wait(days=8)
        self.destination = services.add_destination(
            seal=SEAL,
            holder=self.creator,
            kind=DestinationKind.BANK,
            account="DE89370400440532013000",
            destination_id=self.street.new_id(),
            now=self.street.now,
        )

    def mature(self) -> int:
        done = mature_earnings(DjangoBook(), maturing, now=self.street.now, new_key=self.street.key)
        return done.diamonds

    def held(self) -> int:
        return self.street.book.balance(self.creator, Account.CREATOR_HELD)


@pytest.fixture
def world() -> Iterator[World]:
    """The world, whose books are sound after the storm; nothing of it stays."""
    empty_ledger()
    yield World()
    assert run_checks() == []
    empty_ledger()


def at_once(work: Callable[[int], T]) -> list[T]:
    """Run the work in several threads that start together, each on its own connection."""
    barrier = Barrier(AT_ONCE)

    def run(number: int) -> T:
        try:
            barrier.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, range(AT_ONCE)))


def request(world: World, number: int, key_of: list[object]) -> Payout | None:
    """Ask for everything; None when it was refused."""
    try:
        return services.request_payout(
            book=DjangoBook(),
            policy=current_policy(world.street.now),
            holder=HolderId(world.creator),
            destination_id=world.destination.pk,
            diamonds=5_000,
            payout_id=PayoutId(world.street.new_id()),
            key=key_of[number],  # type: ignore[arg-type]
            now=world.street.now,
        )
    except PayoutRefused:
        return None


def test_maturing_at_once_matures_once(world: World) -> None:
    assert sum(at_once(lambda _: world.mature())) == 5_000


def test_one_key_pressed_at_once_is_one_payout(world: World) -> None:
    world.mature()
    key = world.street.key()
    found = at_once(lambda number: request(world, number, [key] * AT_ONCE))
    assert len({payout.pk for payout in found if payout}) == 1
    assert None not in found
    assert world.held() == 5_000


def test_many_requests_for_the_same_diamonds_let_one_through(world: World) -> None:
    world.mature()
    keys: list[object] = [world.street.key() for _ in range(AT_ONCE)]
    found = at_once(lambda number: request(world, number, keys))
    assert sum(payout is not None for payout in found) == 1
    assert Payout.objects.count() == 1
    assert world.held() == 5_000


def test_sweeps_at_once_send_under_one_key_and_settle_once(world: World) -> None:
    world.mature()
    payout = request(world, 0, [world.street.key()])
    assert payout
    bank = Bank()

    def sweep(_: int) -> None:
        services.send_payout(
            payout.payout_id, book=DjangoBook(), transfers=bank, seal=SEAL, now=world.street.now
        )

    at_once(sweep)
    assert set(bank.sends) == {payout.key}
    assert len(bank.transfers) == 1
    bank.conclude(payout.key, "settled")
    at_once(
        lambda _: services.refresh_payout(
            payout.public_id, book=DjangoBook(), transfers=bank, now=world.street.now
        )
    )
    assert Payout.objects.get().status == Status.SETTLED
    assert world.held() == 0
    assert Destination.objects.count() == 1
