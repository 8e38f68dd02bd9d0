"""Everybody at once: return page, notification and janitor on threads of real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from largesse.adapters.postgres.book import DjangoBook
from largesse.catalog.services import LAUNCH_PRICES, publish_price_book, read_rows
from largesse.money.ids import HolderId, OrderId
from largesse.recharge import services
from largesse.recharge.errors import NotRefundable
from largesse.recharge.models import Order
from tests.adapters.postgres.ledger_world import empty_ledger
from tests.recharge.counter import (
    NOW,
    RETURN_URL,
    balance,
    bought,
    new_holder,
    new_key,
    opened,
    package,
    place,
    refresh,
    steps,
)

pytestmark = pytest.mark.django_db(
    transaction=True,
    available_apps=["largesse.adapters.postgres", "largesse.catalog", "largesse.recharge"],
)

CROWD = 8


@pytest.fixture(autouse=True)
def world(transactional_db: None) -> Iterator[None]:
    """Publish the prices, committed, and leave the ledger empty."""
    for book in read_rows(LAUNCH_PRICES, "books"):
        publish_price_book(book, NOW - timedelta(days=1))
    yield
    empty_ledger()


def at_once(tasks: list[Callable[[], object]]) -> list[object]:
    """Run the tasks on a thread each, begun together; an exception is a result."""
    barrier = Barrier(len(tasks))

    def run(task: Callable[[], object]) -> object:
        try:
            barrier.wait(10)
            return task()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


@pytest.mark.parametrize("turn", range(5))
def test_return_page_notification_and_janitor_credit_once(till, turn):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="captured")
    later = NOW + timedelta(minutes=1)

    def notified():
        return services.refresh_by_checkout(
            "till", order.checkout_id, checkouts=till, book=DjangoBook(), now=later
        )

    def swept():
        return services.sweep_orders(checkouts=till, book=DjangoBook(), now=later)

    def returned():
        return refresh(order, till, later).status

    results = at_once([returned, notified, swept, returned, notified])
    assert not [result for result in results if isinstance(result, Exception)]
    assert balance(fan) == (1200, 0)
    assert steps(order).count("credited") == 1


def test_a_slow_pending_that_was_read_first_is_applied_last(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="pending")

    def captured_meanwhile() -> None:
        till.before_fetch = lambda: None
        till.set(order.checkout_id, status="captured")
        assert refresh(order, till).status == "credited"

    till.before_fetch = captured_meanwhile
    assert refresh(order, till).status == "credited"
    assert balance(fan) == (1200, 0)


def test_a_double_click_is_one_order_and_one_checkout(till):
    fan, key, counts = new_holder(), new_key(), {package(1200): 1}

    def click():
        order = place(fan, key=key, counts=counts)
        return services.open_checkout(
            OrderId(order.pk), checkouts=till, return_url=RETURN_URL, now=NOW
        ).checkout_id

    checkouts = at_once([click] * CROWD)
    assert set(checkouts) == set(till.checkouts)
    assert len(till.checkouts) == 1
    [order] = Order.objects.filter(holder=fan)
    assert steps(order) == ["placed", "checkout_opened"]


def test_refunds_at_once_take_the_coins_once(till):
    fan = new_holder()
    order = bought(fan, till)
    bought(fan, till)

    def give_back():
        return services.refund_order(
            OrderId(order.pk),
            key=new_key(),
            reason="twice",
            checkouts=till,
            book=DjangoBook(),
            now=NOW,
        ).status

    results = at_once([give_back] * CROWD)
    assert all(r == "refunded" or isinstance(r, NotRefundable) for r in results)
    assert len(till.refunds) == 1
    assert balance(fan) == (1200, 0)


def test_sweepers_share_the_orders_between_them(till):
    orders = [opened(new_holder(), till) for _ in range(12)]
    for order in orders:
        till.set(order.checkout_id, status="captured")
    later = NOW + timedelta(minutes=1)

    def swept():
        return services.sweep_orders(checkouts=till, book=DjangoBook(), now=later)

    sweeps = at_once([swept] * 4)
    done = [sweep for sweep in sweeps if isinstance(sweep, services.Sweep)]
    assert len(done) == len(sweeps)
    assert sum(sweep.asked for sweep in done) == len(orders)
    assert sum(sweep.moved for sweep in done) == len(orders)
    assert all(balance(HolderId(order.holder)) == (1200, 0) for order in orders)
