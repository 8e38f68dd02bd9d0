"""The periodic tasks of money: each does its work by the product's clock, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from procrastinate.contrib.django import app

from largesse.adapters import clock
from largesse.adapters.postgres.checks import run_checks
from largesse.earnings.selectors import current_policy
from largesse.finance.selectors import closed_days, is_closed
from largesse.ledger.accounts import Account
from largesse.money.ids import PayoutId
from largesse.payouts.models import DestinationKind, Payout
from largesse.payouts.rules import Status
from largesse.payouts.services import add_destination, request_payout
from largesse.web import providers
from largesse.web.jobs import earnings, finance, payouts
from largesse.web.jobs.worker import load_tasks
from tests.earnings.street import Street
from tests.payouts.bank import Bank

pytestmark = pytest.mark.django_db


@pytest.fixture
def street() -> Street:
    """A street that stands ten days before now."""
    return Street(clock.now() - timedelta(days=10))


def test_the_worker_knows_every_task_and_its_turn() -> None:
    load_tasks()
    wanted = {"earnings.mature", "payouts.sweep", "finance.close_yesterday"}
    assert wanted <= set(app.tasks)
    periodic = {task.task.name for task in app.periodic_registry.periodic_tasks.values()}
    assert wanted <= periodic


def test_diamonds_mature_by_the_products_clock(street: Street) -> None:
    creator = street.holder("mara")
    street.earn(creator, 1_000)
    for _ in range(2):
        earnings.mature_task(0)
    assert street.book.balance(creator, Account.CREATOR_AVAILABLE) == 500


def test_a_payout_is_brought_to_its_end(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = Bank()
    monkeypatch.setattr(providers, "transfers", lambda: bank)
    creator = street.holder("mara")
    street.earn(creator, 10_000)
    earnings.mature_task(0)
    destination = add_destination(
        seal=payouts.destination_seal(),
        holder=creator,
        kind=DestinationKind.BANK,
        account="DE89370400440532013000",
        destination_id=street.new_id(),
        now=clock.now(),
    )
    payout = request_payout(
        book=street.book,
        policy=current_policy(clock.now()),
        holder=creator,
        destination_id=destination.pk,
        diamonds=5_000,
        payout_id=PayoutId(street.new_id()),
        key=earnings.new_key(),
        now=clock.now(),
    )
    payouts.sweep_payouts_task(0)
    assert bank.destinations == ["DE89370400440532013000"]
    bank.conclude(payout.key, "settled")
    Payout.objects.update(next_attempt_at=clock.now())
    payouts.sweep_payouts_task(0)
    assert Payout.objects.get().status == Status.SETTLED


def test_yesterday_is_settled_and_closed_once(street: Street) -> None:
    street.earn(street.holder("mara"), 1_000)
    finance.close_yesterday_task(0)
    (day,) = closed_days()
    assert is_closed(day.day)
    assert day.revenue == {"USD": 1_000}
    assert finance.close_yesterday().buckets == 0
    assert run_checks() == []
