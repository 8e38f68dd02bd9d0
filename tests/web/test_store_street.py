"""The recharge street with nothing in anybody's place: product, sandbox process and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from largesse.adapters import clock
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.providers.sandbox import PROVIDER
from largesse.catalog.services import LAUNCH_PRICES, publish_price_book, read_rows
from largesse.money.ids import OrderId
from largesse.recharge import services
from largesse.recharge.models import Notification, Order
from largesse.web import providers
from tests.adapters.postgres.ledger_world import empty_ledger
from tests.recharge.counter import balance, new_holder, new_key, place
from tests.simulator.sandbox.conftest import RunningSandbox, running, wait_until

pytestmark = pytest.mark.django_db(
    transaction=True,
    available_apps=["largesse.adapters.postgres", "largesse.catalog", "largesse.recharge"],
)


@pytest.fixture
def sandbox(live_server: LiveServer, settings: Settings, tmp_path) -> Iterator[RunningSandbox]:
    """Run the sandbox beside the product, wired to each other as `largesse up` does."""
    for book in read_rows(LAUNCH_PRICES, "books"):
        publish_price_book(book, clock.now() - timedelta(days=1))
    with running(tmp_path, live_server.url, secret=settings.CONFIG.secret) as process:
        settings.CONFIG = replace(settings.CONFIG, sandbox=True, sandbox_url=process.url)
        yield process
    providers.wire().close()
    empty_ledger()


def opened(holder) -> Order:
    now = clock.now()
    order = place(holder, provider=PROVIDER, now=now)
    return services.open_checkout(
        OrderId(order.pk),
        checkouts=providers.checkouts(),
        return_url="http://127.0.0.1:1/",
        now=now,
    )


def status(order: Order) -> str:
    return Order.objects.get(pk=order.pk).status


def test_notifications_alone_bring_the_coins_a_decline_and_a_refund(sandbox):
    fan = new_holder()
    paid, declined, late = opened(fan), opened(fan), opened(fan)
    sandbox.press(paid.checkout_id, action="pay")
    sandbox.press(declined.checkout_id, action="decline", decline_code="card_expired")
    sandbox.press(late.checkout_id, action="later", delay_seconds="1")
    wait_until(lambda: status(late) == "authorized")
    wait_until(lambda: status(paid) == "credited")
    wait_until(lambda: status(declined) == "declined")
    wait_until(lambda: status(late) == "credited")
    assert balance(fan) == (2400, 0)
    assert Order.objects.get(pk=declined.pk).decline_code == "card_expired"

    refunded = services.refund_order(
        OrderId(paid.pk),
        key=new_key(),
        reason="unauthorised",
        checkouts=providers.checkouts(),
        book=DjangoBook(),
        now=clock.now(),
    )
    assert refunded.status == "refunded"
    assert balance(fan) == (1200, 0)
    wait_until(lambda: Notification.objects.filter(applied_at__isnull=False).count() == 5)
    assert balance(fan) == (1200, 0)
