"""Storms on orders: 32 threads on one capture, one refund, one wish. Each happens once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.checks import run_checks
from largesse.catalog.services import LAUNCH_PRICES, publish_price_book, read_rows
from largesse.money.ids import OrderId
from largesse.recharge import services
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
from tests.recharge.till import Till
from tests.storms import rounds, thread_storm

pytestmark = [
    pytest.mark.django_db(
        transaction=True,
        available_apps=["largesse.adapters.postgres", "largesse.catalog", "largesse.recharge"],
    ),
    pytest.mark.slow,
]

SENT = 160
LATER = NOW + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def world(transactional_db: None) -> Iterator[None]:
    """Publish the prices, committed, and leave the ledger empty and sound."""
    empty_ledger()
    for book in read_rows(LAUNCH_PRICES, "books"):
        publish_price_book(book, NOW - timedelta(days=1))
    yield
    assert run_checks() == []
    empty_ledger()


def test_one_capture_is_one_credit_by_whatever_way_it_is_learned(till: Till) -> None:
    for _ in rounds():
        fan = new_holder()
        order = opened(fan, till)
        till.set(order.checkout_id, status="captured")

        def learn(number: int, order: Order = order) -> str:
            if number % 3 == 0:
                services.sweep_orders(checkouts=till, book=DjangoBook(), now=LATER)
                return "swept"
            if number % 3 == 1:
                return refresh(order, till, LATER).status
            known = services.refresh_by_checkout(
                "till", order.checkout_id, checkouts=till, book=DjangoBook(), now=LATER
            )
            return "notified" if known else "unknown"

        found = thread_storm(learn, SENT)
        assert set(found) == {"swept", "credited", "notified"}
        assert sum(found.values()) == SENT
        assert balance(fan) == (1200, 0)
        assert steps(order).count("credited") == 1


def test_one_order_is_refunded_once_whoever_asks(till: Till) -> None:
    for number in rounds():
        fan = new_holder()
        order = bought(fan, till)
        bought(fan, till)

        def give_back(_: int, order: Order = order) -> str:
            return services.refund_order(
                OrderId(order.pk),
                key=new_key(),
                reason="twice",
                checkouts=till,
                book=DjangoBook(),
                now=NOW,
            ).status

        found = thread_storm(give_back, SENT)
        assert set(found) <= {"refunded", "not_refundable"}
        assert sum(found.values()) == SENT
        assert len(till.refunds) == number + 1
        assert steps(order).count("refunded") == 1
        assert balance(fan) == (1200, 0)


def test_one_wish_is_one_order_with_one_checkout(till: Till) -> None:
    for number in rounds():
        fan, key, counts = new_holder(), new_key(), {package(1200): 1}

        def click(_: int, fan=fan, key=key, counts=counts) -> str:
            order = place(fan, key=key, counts=counts)
            return services.open_checkout(
                OrderId(order.pk), checkouts=till, return_url=RETURN_URL, now=NOW
            ).checkout_id

        found = thread_storm(click, SENT)
        assert list(found.values()) == [SENT]
        assert len(till.checkouts) == number + 1
        assert Order.objects.filter(holder=fan).count() == 1
