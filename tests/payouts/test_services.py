"""Payouts on the real ledger against a bank that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction

from largesse.adapters.postgres import maturing
from largesse.adapters.postgres.checks import run_checks
from largesse.adapters.postgres.reading import platform_balances
from largesse.earnings.selectors import current_policy
from largesse.earnings.services import mature_earnings
from largesse.ledger.accounts import Account
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, PayoutId
from largesse.payouts import selectors, services
from largesse.payouts.errors import (
    BadDestination,
    PayoutKeyReused,
    PayoutRefused,
    UnknownDestination,
    UnknownPayout,
)
from largesse.payouts.models import Destination, DestinationKind, Payout
from largesse.payouts.rules import Fault, Status
from largesse.people.sealing import Seal
from tests.earnings.street import Street
from tests.payouts.bank import Bank, Crash

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
SEAL = Seal("a secret of this test, long enough", services.SEAL_PURPOSE)
IBAN = "DE89370400440532013000"


class World:
    """A creator with 5,000 available diamonds ($44.55 gross) and a bank account."""

    def __init__(self) -> None:
        self.street = Street(START)
        self.bank = Bank()
        self.creator = self.street.holder("mara")
        self.street.earn(self.creator, 10_000)
        self.street.wait(days=8)
        mature_earnings(self.street.book, maturing, now=self.street.now, new_key=self.street.key)
        self.destination = self.add_destination(IBAN)

    def add_destination(self, account: str) -> Destination:
        return services.add_destination(
            seal=SEAL,
            holder=self.creator,
            kind=DestinationKind.BANK,
            account=account,
            destination_id=self.street.new_id(),
            now=self.street.now,
        )

    def request(self, diamonds: int = 5_000, key: UUID | None = None) -> Payout:
        return services.request_payout(
            book=self.street.book,
            policy=current_policy(self.street.now),
            holder=self.creator,
            destination_id=self.destination.pk,
            diamonds=diamonds,
            payout_id=PayoutId(self.street.new_id()),
            key=key or self.street.key(),
            now=self.street.now,
        )

    def send(self, payout: Payout) -> Payout:
        return services.send_payout(
            payout.payout_id,
            book=self.street.book,
            transfers=self.bank,
            seal=SEAL,
            now=self.street.now,
        )

    def sweep(self) -> services.Swept:
        return services.sweep_payouts(
            book=self.street.book, transfers=self.bank, seal=SEAL, now=lambda: self.street.now
        )

    def refresh(self, payout: Payout) -> Payout:
        assert services.refresh_payout(
            payout.public_id, book=self.street.book, transfers=self.bank, now=self.street.now
        )
        return Payout.objects.get(pk=payout.pk)

    def diamonds(self) -> tuple[int, int]:
        """Available and held."""
        return (
            self.street.book.balance(self.creator, Account.CREATOR_AVAILABLE),
            self.street.book.balance(self.creator, Account.CREATOR_HELD),
        )


@pytest.fixture
def world() -> Iterator[World]:
    """The world, whose books are sound at the end of every test."""
    yield (world := World())
    assert run_checks() == []
    cashed = platform_balances().get(("diamond_cashed", "DIAMOND"), 0)
    assert cashed == sum(p.diamonds for p in Payout.objects.filter(status=Status.SETTLED))
    available, held = world.diamonds()
    assert available + held + cashed == 5_000


def answers(payout: Payout) -> list[tuple[str, str]]:
    return [(event.status, event.answer) for event in payout.events.all()]


# --- The good way --------------------------------------------------------------------------------


def test_a_payout_is_requested_sent_and_settled(world: World) -> None:
    payout = world.request()
    assert (payout.gross_minor, payout.fee_minor, payout.net.minor) == (4_455, 25, 4_430)
    assert payout.diamonds == 5_000
    assert world.diamonds() == (0, 5_000)
    assert world.send(payout).status == Status.SENT
    assert world.bank.destinations == [IBAN]
    world.bank.conclude(payout.key, "settled")
    assert world.refresh(payout).status == Status.SETTLED
    assert world.diamonds() == (0, 0)
    platform = platform_balances()
    assert platform["bank", "USD"] == 4_430
    assert platform["payout_fees", "USD"] == 25
    assert platform["creator_payable", "USD"] == -4_455
    assert platform["payout_clearing", "USD"] == 0
    assert answers(payout) == [
        ("requested", "requested"),
        ("sent", "pending"),
        ("settled", "settled"),
    ]


def test_only_the_diamonds_that_the_amount_needs_are_held(world: World) -> None:
    payout = world.request(diamonds=2_001)
    assert (payout.gross_minor, payout.diamonds) == (1_783, 2_001)
    payout = world.request(diamonds=2_000)
    assert (payout.gross_minor, payout.diamonds) == (1_782, 2_000)
    assert world.diamonds() == (999, 4_001)


def test_a_double_click_is_one_payout(world: World) -> None:
    key = world.street.key()
    first, second = world.request(key=key), world.request(key=key)
    assert first.pk == second.pk
    assert world.diamonds() == (0, 5_000)
    with pytest.raises(PayoutKeyReused):
        world.request(diamonds=1_500, key=key)


def test_a_second_payout_cannot_use_held_diamonds(world: World) -> None:
    world.request()
    with pytest.raises(PayoutRefused) as refusal:
        world.request()
    assert refusal.value.data["obstacle"] == "nothing_available"


def test_a_request_needs_enough_a_destination_of_ones_own_and_no_freeze(world: World) -> None:
    with pytest.raises(PayoutRefused, match="below the smallest"):
        world.request(diamonds=1_122)
    services.remove_destination(
        holder=world.creator, destination_id=world.destination.pk, now=world.street.now
    )
    with pytest.raises(UnknownDestination):
        world.request()
    world.destination = world.add_destination(IBAN)
    world.street.book.freeze(world.creator, frozen=True)
    with pytest.raises(PayoutRefused) as refusal:
        world.request()
    assert refusal.value.data["obstacle"] == "frozen"
    assert world.diamonds() == (5_000, 0)


# --- Unknown outcomes ----------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["lost_before", "lost_after"])
def test_an_unknown_outcome_is_asked_about_under_the_same_key(world: World, trouble: str) -> None:
    payout = world.request()
    world.bank.troubles.append(trouble)  # type: ignore[arg-type]
    assert world.send(payout).status == Status.UNKNOWN
    assert world.diamonds() == (0, 5_000)
    world.street.now += timedelta(minutes=5)
    assert world.sweep().asked == 1
    assert Payout.objects.get().status == Status.SENT
    assert set(world.bank.sends) == {payout.key}
    assert len(world.bank.sends) == (1 if trouble == "lost_after" else 2)
    world.bank.conclude(payout.key, "settled")
    world.street.wait(days=1)
    assert world.sweep() == services.Swept(1, 1)
    assert len(world.bank.transfers) == 1


def test_age_never_fails_a_payout_but_shows_it_to_operators(world: World) -> None:
    payout = world.request()
    world.bank.troubles.extend(["lost_after"])
    world.send(payout)
    world.bank.fetch_troubles.extend(["busy", "declined"] * 20)
    for _ in range(40):
        world.street.wait(days=3)
        world.sweep()
    payout = Payout.objects.get()
    assert payout.status == Status.UNKNOWN
    assert world.diamonds() == (0, 5_000)
    assert list(selectors.needing_attention(world.street.now)) == [payout]
    assert payout.advice.next_step
    world.street.wait(days=1)
    world.sweep()
    assert Payout.objects.get().status == Status.SENT
    assert len(world.bank.sends) == 1


def test_a_busy_bank_is_tried_again(world: World) -> None:
    payout = world.request()
    world.bank.troubles.extend(["busy", "busy"])
    world.send(payout)
    payout.refresh_from_db()
    assert (payout.status, payout.reason) == (Status.REQUESTED, "provider_busy")
    assert "try again" in payout.advice.next_step
    for _ in range(2):
        world.street.now += timedelta(hours=1)
        world.sweep()
    assert Payout.objects.get().status == Status.SENT


def test_the_sweep_asks_only_whose_turn_it_is(world: World) -> None:
    world.request()
    assert world.sweep().asked == 1
    assert world.sweep().asked == 0


# --- Returned, bounced, declined -----------------------------------------------------------------


def test_a_returned_payout_gives_the_diamonds_back_and_says_what_next(world: World) -> None:
    payout = world.request()
    world.send(payout)
    world.bank.conclude(payout.key, "returned", "account closed")
    payout = world.refresh(payout)
    assert (payout.status, payout.reason) == (Status.RETURNED, "account_closed")
    assert "Add another account" in payout.advice.next_step
    assert world.diamonds() == (5_000, 0)
    assert world.request().status == Status.REQUESTED


def test_a_declined_payout_gives_the_diamonds_back(world: World) -> None:
    payout = world.request()
    world.bank.troubles.append("declined")
    assert world.send(payout).status == Status.RETURNED
    assert world.diamonds() == (5_000, 0)


def test_a_settled_payout_can_bounce_once(world: World) -> None:
    payout = world.request()
    world.send(payout)
    world.bank.conclude(payout.key, "settled")
    world.refresh(payout)
    world.bank.conclude(payout.key, "returned", "account closed")
    for _ in range(2):
        assert world.refresh(payout).status == Status.RETURNED
    assert world.diamonds() == (5_000, 0)
    platform = platform_balances()
    assert (platform["bank", "USD"], platform["creator_payable", "USD"]) == (0, 0)


# --- Answers that do not fit ---------------------------------------------------------------------


def test_repeated_and_late_answers_change_nothing(world: World) -> None:
    payout = world.request()
    world.send(payout)
    pending = world.bank.transfers[payout.key]
    settled = replace(pending, status="settled")
    for state in (settled, settled, pending, settled, pending):
        services.apply_transfer_state(state, book=world.street.book, now=world.street.now)
    assert Payout.objects.get().status == Status.SETTLED
    assert len(answers(payout)) == 3


def test_an_answer_to_another_attempt_is_ignored(world: World) -> None:
    payout = world.request()
    world.send(payout)
    other = replace(world.bank.transfers[payout.key], id="tr_other", status="returned")
    after = services.apply_transfer_state(other, book=world.street.book, now=world.street.now)
    assert (after.status, after.transfer_id) == (Status.SENT, "tr_0")
    assert world.diamonds() == (0, 5_000)
    assert answers(payout)[-1] == ("sent", "ignored")


@pytest.mark.parametrize("amount", [Amount(443_000, asset("USD")), Amount(4_430, asset("EUR"))])
def test_a_mismatch_is_parked_until_a_person_has_looked(world: World, amount: Amount) -> None:
    payout = world.request()
    world.send(payout)
    right = replace(world.bank.transfers[payout.key], status="settled")
    world.bank.transfers[payout.key] = replace(right, amount=amount)
    parked = world.refresh(payout)
    assert (parked.status, parked.parked) == (Status.SENT, Fault.MISMATCH)
    assert "person" in parked.advice.why
    assert world.diamonds() == (0, 5_000)
    world.street.wait(days=1)
    assert world.sweep().asked == 0
    assert list(selectors.needing_attention(world.street.now)) == [parked]
    operator = HolderId(1)
    services.release_parked(payout.payout_id, note="asked again", by=operator, now=world.street.now)
    world.sweep()
    assert Payout.objects.get().parked == Fault.MISMATCH
    services.release_parked(payout.payout_id, note="bank fixed", by=operator, now=world.street.now)
    world.bank.transfers[payout.key] = right
    world.street.wait(days=1)
    assert world.sweep() == services.Swept(1, 1)
    assert Payout.objects.get().status == Status.SETTLED


def test_money_that_leaves_after_the_diamonds_came_back_is_parked(world: World) -> None:
    payout = world.request()
    world.send(payout)
    world.bank.conclude(payout.key, "returned")
    world.refresh(payout)
    world.bank.conclude(payout.key, "settled")
    after = world.refresh(payout)
    assert (after.status, after.parked) == (Status.RETURNED, "contradiction")


def test_news_of_an_unknown_payout_is_kept_for_later(world: World) -> None:
    known = {"book": world.street.book, "transfers": world.bank, "now": world.street.now}
    for name in ("pay_0000000000001", "tr_9", "nonsense"):
        assert not services.refresh_payout(name, **known)  # type: ignore[arg-type]
    payout = world.request()
    assert not services.refresh_payout(payout.public_id, **known)  # type: ignore[arg-type]
    world.send(payout)
    assert services.refresh_payout("tr_0", **known)  # type: ignore[arg-type]
    stranger = replace(world.bank.transfers[payout.key], payout="pay_0000000000001")
    with pytest.raises(UnknownPayout):
        services.apply_transfer_state(stranger, book=world.street.book, now=world.street.now)


# --- Crashes and repetition ----------------------------------------------------------------------


def test_a_crash_after_sending_is_taken_up_by_asking(world: World) -> None:
    payout = world.request()

    world.bank.troubles.append("crash_after")
    with pytest.raises(Crash):
        world.send(payout)
    assert Payout.objects.get().status == Status.REQUESTED
    world.street.now += timedelta(minutes=5)
    world.sweep()
    assert Payout.objects.get().status == Status.SENT
    assert len(world.bank.sends) == 1


def test_a_rolled_back_request_holds_nothing(world: World) -> None:
    savepoint = transaction.savepoint()
    world.request()
    transaction.savepoint_rollback(savepoint)
    assert world.diamonds() == (5_000, 0)
    assert not Payout.objects.exists()


# --- Destinations --------------------------------------------------------------------------------


def test_an_account_number_is_stored_sealed(world: World) -> None:
    row = Destination.objects.get()
    assert row.masked == "DE •••• 3000"
    assert IBAN not in row.sealed
    assert SEAL.open(row.sealed) == IBAN
    assert world.add_destination("de89 3704 0044 0532 0130 00").masked == "DE •••• 3000"


@pytest.mark.parametrize("account", ["", "DE00370400440532013000", "hello", "١٢٣٤٥٦٧٨"])
def test_a_wrong_account_number_is_refused(world: World, account: str) -> None:
    with pytest.raises(BadDestination):
        world.add_destination(account)


def test_nobody_sees_or_uses_anothers_payouts(world: World) -> None:
    payout, stranger = world.request(), HolderId(5)
    assert selectors.payout_of(world.creator, payout.payout_id) == payout
    with pytest.raises(UnknownPayout):
        selectors.payout_of(stranger, payout.payout_id)
    with pytest.raises(UnknownDestination):
        selectors.destination_of(stranger, world.destination.pk)
    with pytest.raises(UnknownDestination):
        services.remove_destination(
            holder=stranger, destination_id=world.destination.pk, now=world.street.now
        )
    assert selectors.payouts_of(stranger) == []
    assert selectors.payouts_by_status()[Status.REQUESTED] == 1
