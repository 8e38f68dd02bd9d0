"""The provider's endpoint: signed calls are stored and applied, the others leave nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as configured
from standardwebhooks import Webhook

from largesse.adapters import clock
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.providers.sandbox import PROVIDER, derive_credentials
from largesse.catalog.services import load_launch_catalogue
from largesse.money.errors import Unavailable
from largesse.recharge.models import Notification, Order
from largesse.web import providers
from largesse.web.jobs import recharge as jobs
from tests.recharge.counter import balance, new_holder, opened
from tests.recharge.till import Till

pytestmark = pytest.mark.django_db


@pytest.fixture
def till(monkeypatch) -> Till:
    load_launch_catalogue(clock.now() - timedelta(days=1))
    till = Till()
    monkeypatch.setattr(providers, "checkouts", lambda: till)
    return till


def call(client, object_id, *, event="evt_1", kind="checkout", secret=None, age=0):
    body = json.dumps({"type": "checkout.captured", "data": {"kind": kind, "id": object_id}})
    at = datetime.now(UTC) - timedelta(seconds=age)
    secret = secret or derive_credentials(configured.CONFIG.secret).signing_secret
    return client.post(
        "/notifications/sandbox",
        body,
        content_type="application/json",
        headers={
            "webhook-id": event,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(event, at, body),
        },
    )


def ordered(till):
    fan = new_holder()
    return fan, opened(fan, till, provider=PROVIDER, now=clock.now())


def test_a_signed_call_credits_once_however_often_it_comes(client, till):
    fan, order = ordered(till)
    till.set(order.checkout_id, status="captured")
    for event in ("evt_1", "evt_1", "evt_2"):
        assert call(client, order.checkout_id, event=event).status_code == 202
    assert balance(fan) == (1200, 0)
    assert Notification.objects.count() == 2
    assert Notification.objects.get(event_id="evt_1").body.startswith('{"type"')


def test_an_unsigned_old_or_foreign_call_is_refused_and_leaves_nothing(client, till):
    fan, order = ordered(till)
    till.set(order.checkout_id, status="captured")
    foreign = derive_credentials("somebody else's long secret").signing_secret
    refused = [
        call(client, order.checkout_id, secret=foreign),
        call(client, order.checkout_id, age=301),
        client.post("/notifications/sandbox", "{}", content_type="application/json"),
    ]
    assert [answer.status_code for answer in refused] == [400] * 3
    assert {answer["Content-Type"] for answer in refused} == {"application/problem+json"}
    assert not Notification.objects.exists()
    assert balance(fan) == (0, 0)


def test_a_huge_body_and_another_method_are_refused(client, till):
    huge = client.post("/notifications/sandbox", b"x" * 70_000, content_type="text/plain")
    assert huge.status_code == 413
    assert client.get("/notifications/sandbox").status_code == 405


def test_an_unknown_object_is_answered_202_because_it_is_kept(client, till):
    assert call(client, "chk_of_tomorrow").status_code == 202
    assert call(client, "pay_0000000000001", event="evt_2", kind="weather").status_code == 202
    waiting = Notification.objects.filter(applied_at__isnull=True)
    assert [n.last_error for n in waiting] == ["unknown_object"] * 2


def test_the_janitor_takes_up_what_the_call_could_not_do(client, till):
    fan, order = ordered(till)
    till.set(order.checkout_id, status="captured")
    till.troubles.append(Unavailable("Busy."))
    assert call(client, order.checkout_id).status_code == 202
    assert balance(fan) == (0, 0)
    Notification.objects.update(next_attempt_at=clock.now())
    jobs.apply_notifications_task(timestamp=0)
    assert balance(fan) == (1200, 0)


def test_the_janitor_sweeps_orders_without_any_call(till):
    fan, order = ordered(till)
    till.set(order.checkout_id, status="captured")
    Order.objects.update(next_check_at=clock.now())
    jobs.sweep_orders_task(timestamp=0)
    assert balance(fan) == (1200, 0)
    assert DjangoBook().lots(fan)[0].reference == order.public_id


def test_an_installation_without_a_provider_sweeps_nothing_and_takes_no_orders(settings):
    settings.CONFIG = replace(settings.CONFIG, sandbox=False)
    jobs.sweep_orders_task(timestamp=0)
    for role in (providers.checkouts, providers.transfers):
        with pytest.raises(Unavailable):
            role()
