"""Notifications: stored once, applied by reading, kept until they can be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from largesse.adapters.postgres.book import DjangoBook
from largesse.money.errors import InvariantViolation, Unavailable
from largesse.recharge import services
from largesse.recharge.models import Notification
from tests.recharge.counter import NOW, balance, new_holder, opened

pytestmark = pytest.mark.usefixtures("prices")


def arrived(event_id, object_id, kind="checkout"):
    return services.store_notification(
        provider="till", event_id=event_id, kind=kind, object_id=object_id, body="{}", now=NOW
    )


def appliers(till, now=NOW):
    def apply_checkout(checkout_id):
        return services.refresh_by_checkout(
            "till", checkout_id, checkouts=till, book=DjangoBook(), now=now
        )

    return {"checkout": apply_checkout}


def apply(notification, till, now=NOW):
    return services.apply_notification(notification.pk, appliers=appliers(till, now), now=now)


def test_a_notification_credits_by_reading_the_providers_state(till):
    fan = new_holder()
    order = opened(fan, till)
    lie = arrived("evt_1", order.checkout_id)
    assert apply(lie, till)
    assert balance(fan) == (0, 0)

    till.set(order.checkout_id, status="captured")
    assert apply(arrived("evt_2", order.checkout_id), till)
    assert balance(fan) == (1200, 0)


def test_a_duplicate_is_stored_and_applied_once(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="captured")
    copies = [arrived("evt_1", order.checkout_id) for _ in range(11)]
    assert len({copy.pk for copy in copies}) == 1
    assert all(apply(copy, till) for copy in copies)
    assert till.fetches == 1
    assert balance(fan) == (1200, 0)


def test_out_of_order_notifications_end_where_the_provider_stands(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="captured")
    for event in ("captured", "pending", "open"):
        assert apply(arrived(f"evt_{event}", order.checkout_id), till)
    order.refresh_from_db()
    assert order.status == "credited"
    assert balance(fan) == (1200, 0)


def test_an_unknown_object_is_kept_and_tried_again(till):
    early = arrived("evt_1", "chk_of_tomorrow")
    assert not apply(early, till)
    early.refresh_from_db()
    assert (early.applied_at, early.last_error) == (None, "unknown_object")
    assert early.next_attempt_at == NOW + timedelta(seconds=10)

    fan = new_holder()
    order = opened(fan, till)
    state = till.set(order.checkout_id, status="captured")
    till.checkouts["chk_of_tomorrow"] = state
    Notification.objects.filter(pk=early.pk).update(object_id=order.checkout_id)
    later = NOW + timedelta(seconds=10)
    done = services.apply_due_notifications(appliers=appliers(till, later), now=later)
    assert (done.asked, done.moved) == (1, 1)
    assert balance(fan) == (1200, 0)


def test_a_kind_that_nobody_applies_is_kept(till):
    strange = arrived("evt_1", "x_1", kind="weather")
    assert not apply(strange, till)
    strange.refresh_from_db()
    assert strange.last_error == "unknown_object"


def test_a_silent_provider_leaves_the_notification_for_later(till):
    order = opened(new_holder(), till)
    notification = arrived("evt_1", order.checkout_id)
    till.troubles.append(Unavailable("Busy."))
    assert not apply(notification, till)
    notification.refresh_from_db()
    assert (notification.applied_at, notification.last_error) == (None, "provider_unavailable")
    assert apply(notification, till)


def test_a_notification_that_breaks_its_applier_does_not_block_the_others(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="captured")
    arrived("evt_poison", "chk_poison")
    arrived("evt_good", order.checkout_id)

    def apply_checkout(checkout_id):
        if checkout_id == "chk_poison":
            raise InvariantViolation("A bug of ours.")
        return appliers(till)["checkout"](checkout_id)

    bent = {"checkout": apply_checkout}
    with pytest.raises(InvariantViolation):
        services.apply_due_notifications(appliers=bent, now=NOW)
    assert services.apply_due_notifications(appliers=bent, now=NOW).moved == 1
    assert balance(fan) == (1200, 0)
