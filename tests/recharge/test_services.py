"""Orders from the price to the coins and back, on real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection

from largesse.adapters.postgres.book import DjangoBook
from largesse.catalog.errors import PriceChanged, UnknownPackage
from largesse.catalog.services import (
    LAUNCH_PRICES,
    decide_spend_order,
    publish_price_book,
    read_rows,
)
from largesse.ledger.errors import KeyReused
from largesse.ledger.lots import SpendOrder
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import Declined, InvariantViolation, OutcomeUnknown, Unavailable
from largesse.money.ids import OrderId
from largesse.recharge import selectors, services
from largesse.recharge.errors import NotRefundable, QuoteExpired, UnknownOrder
from largesse.recharge.models import Order
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

pytestmark = pytest.mark.usefixtures("prices")


def sweep(till, now):
    return services.sweep_orders(checkouts=till, book=DjangoBook(), now=now)


def refund(order, till, key=None):
    return services.refund_order(
        OrderId(order.pk),
        key=key or new_key(),
        reason="not delivered",
        checkouts=till,
        book=DjangoBook(),
        now=NOW,
    )


def spend(holder, coins):
    """Use up coins as a gift would: the purse's counter moves on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_wallet SET paid_next = paid_next + %s WHERE holder = %s",
            [coins, holder],
        )


def test_an_order_is_paid_and_credited_once(till):
    fan = new_holder()
    order = opened(fan, till)
    assert refresh(order, till).status == "quoted"

    till.set(order.checkout_id, status="captured")
    order = refresh(order, till)
    assert (order.status, order.charge_id[:4]) == ("credited", "chg_")
    assert steps(order) == ["placed", "checkout_opened", "captured", "credited"]
    assert balance(fan) == (1200, 0)
    [lot] = DjangoBook().lots(fan)
    assert (lot.price_minor, lot.currency, lot.reference) == (999, "USD", order.public_id)

    for _ in range(3):
        assert refresh(order, till).status == "credited"
    assert balance(fan) == (1200, 0)


def test_the_tax_inside_the_price_is_kept_apart(till):
    fan = new_holder()
    counts = {package(500, "EU"): 1}
    order = opened(fan, till, counts=counts)
    assert (order.price_minor, order.tax_minor, order.currency) == (549, 95, "EUR")
    till.set(order.checkout_id, status="captured")
    refresh(order, till)
    assert DjangoBook().lots(fan)[0].tax_minor == 95


def test_several_packages_are_one_order_and_one_lot(till):
    fan = new_holder()
    order = opened(fan, till, count=5)
    assert (order.coins, order.price_minor) == (6000, 4995)
    assert order.description == "5 × 1,200 coins"
    till.set(order.checkout_id, status="captured")
    refresh(order, till)
    assert balance(fan) == (6000, 0)


def test_a_double_click_places_one_order(till):
    fan, key = new_holder(), new_key()
    first, second = place(fan, key=key), place(fan, key=key)
    assert first.pk == second.pk
    assert steps(first) == ["placed"]
    for order in (first, second):
        services.open_checkout(OrderId(order.pk), checkouts=till, return_url=RETURN_URL, now=NOW)
    assert till.creations == 1
    with pytest.raises(KeyReused):
        place(fan, key=key, coins=500)


def test_two_tabs_are_two_orders_and_each_is_credited_when_paid(till):
    fan = new_holder()
    tabs = [opened(fan, till), opened(fan, till)]
    assert tabs[0].checkout_id != tabs[1].checkout_id
    for order in tabs:
        till.set(order.checkout_id, status="captured")
        refresh(order, till)
    assert balance(fan) == (2400, 0)


def test_equal_keys_of_two_fans_are_two_orders_and_two_checkouts(till):
    key = new_key()
    orders = [opened(new_holder(), till, key=key) for _ in range(2)]
    assert orders[0].checkout_id != orders[1].checkout_id


def test_the_price_is_that_of_the_time_and_a_changed_one_is_said(till):
    fan = new_holder()
    old = package(1200)
    [book] = [b for b in read_rows(LAUNCH_PRICES, "books") if b["region"] == "US"]
    publish_price_book({**book, "version": 2}, NOW)
    with pytest.raises(PriceChanged):
        place(fan, counts={old: 1})


@pytest.mark.parametrize("counts", [{}, {-1: 1}, {0: 0}])
def test_a_senseless_wish_is_refused(counts):
    with pytest.raises(UnknownPackage):
        place(new_holder(), counts=counts)


def test_too_many_packages_and_two_books_are_refused():
    with pytest.raises(UnknownPackage):
        place(new_holder(), counts={package(500): 11})
    with pytest.raises(UnknownPackage):
        place(new_holder(), counts={package(500): 1, package(100, "INTL"): 1})


def test_a_quote_ends_and_no_checkout_is_opened_after(till):
    order = place(new_holder())
    late = NOW + timedelta(minutes=15)
    with pytest.raises(QuoteExpired):
        services.open_checkout(OrderId(order.pk), checkouts=till, return_url=RETURN_URL, now=late)
    assert till.creations == 0
    order.refresh_from_db()
    assert order.status == "expired"


def test_an_unknown_outcome_of_the_opening_is_asked_again_with_the_same_key(till):
    order = place(new_holder())
    till.troubles.append(OutcomeUnknown("No answer."))
    with pytest.raises(OutcomeUnknown):
        services.open_checkout(OrderId(order.pk), checkouts=till, return_url=RETURN_URL, now=NOW)
    opened_order = services.open_checkout(
        OrderId(order.pk), checkouts=till, return_url=RETURN_URL, now=NOW
    )
    assert len(till.checkouts) == 1
    assert opened_order.checkout_id in till.checkouts


def test_a_decline_keeps_its_reason_and_moves_no_coin(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="declined", decline_code="insufficient_funds")
    order = refresh(order, till)
    assert (order.status, order.decline_code) == ("declined", "insufficient_funds")
    assert balance(fan) == (0, 0)
    assert order.next_check_at is None


def test_money_taken_after_a_decline_or_our_expiry_still_gives_the_coins(till):
    for before in ("declined", "expired"):
        fan = new_holder()
        order = opened(fan, till)
        till.set(order.checkout_id, status=before)
        refresh(order, till)
        till.set(order.checkout_id, status="captured")
        assert refresh(order, till).status == "credited"
        assert balance(fan) == (1200, 0)


def test_a_late_pending_never_moves_an_order_back(till):
    fan = new_holder()
    order = bought(fan, till)
    till.set(order.checkout_id, status="pending")
    assert refresh(order, till).status == "credited"
    assert balance(fan) == (1200, 0)


def test_a_delayed_confirmation_is_shown_and_then_credited(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="pending")
    assert refresh(order, till).status == "authorized"
    till.set(order.checkout_id, status="captured")
    order = refresh(order, till, NOW + timedelta(days=3))
    assert steps(order)[2:] == ["authorized", "captured", "credited"]


@pytest.mark.parametrize(
    "facts",
    [
        {"amount": Amount(1, asset("USD"))},
        {"amount": Amount(99_900, asset("USD"))},
        {"amount": Amount(999, asset("JPY"))},
    ],
)
def test_a_wrong_amount_or_currency_is_parked_and_never_credited(till, facts):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="captured", **facts)
    order = refresh(order, till)
    assert order.status == "captured"
    assert order.park_reason
    assert order in selectors.parked_orders(100)

    till.set(order.checkout_id, amount=order.price)
    order = refresh(order, till)
    assert order.status == "captured"
    assert balance(fan) == (0, 0)
    assert steps(order).count("parked") == 1


def test_another_orders_checkout_is_parked(till):
    fan = new_holder()
    order, other = opened(fan, till), opened(new_holder(), till)
    till.set(order.checkout_id, status="captured", order=other.public_id)
    order = refresh(order, till)
    assert (order.status, bool(order.park_reason)) == ("quoted", True)
    till.set(order.checkout_id, order=order.public_id)
    assert refresh(order, till).status == "quoted"
    assert balance(fan) == (0, 0)


def test_one_charge_pays_one_order(till):
    fan = new_holder()
    first = bought(fan, till)
    second = opened(fan, till)
    till.set(second.checkout_id, status="captured", charge_id=first.charge_id)
    second = refresh(second, till)
    assert second.status == "captured"
    assert second.charge_id == ""
    assert "has paid another order" in second.park_reason
    assert balance(fan) == (1200, 0)


def test_coins_are_never_credited_outside_the_orders_transaction(till, monkeypatch):
    order = opened(new_holder(), till)
    state = till.set(order.checkout_id, status="captured")
    monkeypatch.setattr(services, "connection", SimpleNamespace(in_atomic_block=False))
    with pytest.raises(InvariantViolation):
        services.capture_recharge(order, state, book=DjangoBook(), now=NOW)


# --- Refunds -------------------------------------------------------------------------------------


def test_a_refund_takes_unspent_coins_back(till):
    fan = new_holder()
    order = refund(bought(fan, till), till)
    assert order.status == "refunded"
    assert steps(order)[-2:] == ["refund_requested", "refunded"]
    assert balance(fan) == (0, 0)
    with pytest.raises(NotRefundable):
        refund(order, till)
    assert len(till.refunds) == 1


def test_a_refund_of_spent_coins_becomes_a_debt_that_the_next_recharge_repays(till):
    fan = new_holder()
    order = bought(fan, till)
    spend(fan, 700)
    refund(order, till)
    assert balance(fan) == (0, 700)
    assert DjangoBook().wallet(fan).spendable == 0

    bought(fan, till, coins=500)
    assert balance(fan) == (0, 200)
    bought(fan, till)
    assert balance(fan) == (1000, 0)


def test_a_refund_whose_outcome_is_unknown_is_finished_by_the_janitor(till):
    fan = new_holder()
    order = bought(fan, till)
    till.troubles.append(OutcomeUnknown("No answer."))
    with pytest.raises(OutcomeUnknown):
        refund(order, till)
    order.refresh_from_db()
    assert order.status == "credited"
    first_key = order.refund_key

    assert sweep(till, NOW + timedelta(minutes=1)).moved == 1
    order.refresh_from_db()
    assert (order.status, order.refund_key) == ("refunded", first_key)
    assert list(till.refunds) == [first_key]
    assert balance(fan) == (0, 0)


def test_a_declined_refund_is_withdrawn(till):
    fan = new_holder()
    order = bought(fan, till)
    till.troubles.append(Declined("Too late."))
    with pytest.raises(Declined):
        refund(order, till)
    order.refresh_from_db()
    assert (order.status, order.refund_key) == ("credited", None)
    assert balance(fan) == (1200, 0)
    assert refund(order, till).status == "refunded"


def test_a_parked_payment_can_go_back_without_touching_coins(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="captured", amount=Amount(1, asset("USD")))
    order = refresh(order, till)
    order = refund(order, till)
    assert order.status == "refunded"
    assert [r.amount.minor for r in till.refunds.values()] == [1]
    assert balance(fan) == (0, 0)
    assert order not in selectors.parked_orders(100)


def test_money_that_goes_back_before_the_coins_came_ends_the_order(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="refunded", charge_id="chg_back")
    assert refresh(order, till).status == "refunded"
    assert balance(fan) == (0, 0)


def test_an_unpaid_order_cannot_be_refunded(till):
    with pytest.raises(NotRefundable):
        refund(opened(new_holder(), till), till)


def test_a_refund_of_the_oldest_of_two_recharges_keeps_the_other(till):
    fan = new_holder()
    first = bought(fan, till, coins=500)
    bought(fan, till)
    refund(first, till)
    assert balance(fan) == (1200, 0)


def test_a_wallet_spends_in_the_order_of_the_region_that_its_fan_buys_in(till):
    decide_spend_order("EU", SpendOrder.PAID_FIRST, reason="a test", now=NOW)
    fan = new_holder()
    bought(fan, till)
    assert DjangoBook().wallet(fan).order is SpendOrder.BONUS_FIRST
    order = opened(fan, till, counts={package(500, "EU"): 1})
    assert DjangoBook().wallet(fan).order is SpendOrder.BONUS_FIRST
    till.set(order.checkout_id, status="captured")
    refresh(order, till)
    assert DjangoBook().wallet(fan).order is SpendOrder.PAID_FIRST
    bought(fan, till)
    assert DjangoBook().wallet(fan).order is SpendOrder.BONUS_FIRST


def test_coins_keep_as_long_as_the_order_said(till):
    fan = new_holder()
    order = opened(fan, till)
    Order.objects.filter(pk=order.pk).update(coins_expire_days=30)
    till.set(order.checkout_id, status="captured")
    refresh(order, till)
    with connection.cursor() as cursor:
        cursor.execute("SELECT expires_at FROM ledger_lot WHERE holder = %s", [fan])
        assert cursor.fetchall() == [(NOW + timedelta(days=30),)]


# --- The janitor ---------------------------------------------------------------------------------


def test_the_janitor_credits_what_no_notification_told(till):
    fan = new_holder()
    order = opened(fan, till)
    till.set(order.checkout_id, status="captured")
    assert sweep(till, NOW).asked == 0
    done = sweep(till, NOW + timedelta(seconds=30))
    assert (done.asked, done.moved, done.failed) == (1, 1, 0)
    assert balance(fan) == (1200, 0)
    assert sweep(till, NOW + timedelta(days=9)).asked == 0


def test_the_janitor_ends_orders_that_nobody_could_pay(till):
    order = place(new_holder())
    assert sweep(till, NOW + timedelta(minutes=14)).asked == 0
    assert sweep(till, NOW + timedelta(minutes=15)).moved == 1
    order.refresh_from_db()
    assert order.status == "expired"


def test_one_silent_answer_costs_one_order_its_turn_only(till):
    orders = [opened(new_holder(), till) for _ in range(3)]
    for order in orders:
        till.set(order.checkout_id, status="captured")
    till.troubles.append(Unavailable("Busy."))
    done = sweep(till, NOW + timedelta(minutes=1))
    assert (done.asked, done.moved, done.failed) == (3, 2, 1)
    assert sweep(till, NOW + timedelta(minutes=2)).moved == 1
    assert Order.objects.filter(status="credited").count() == 3


def test_an_order_that_stays_pending_is_asked_about_for_ever_and_never_failed(till):
    order = opened(new_holder(), till)
    till.set(order.checkout_id, status="pending")
    now = NOW
    for _ in range(40):
        now += timedelta(hours=7)
        assert sweep(till, now).asked == 1
    order.refresh_from_db()
    assert order.status == "authorized"


# --- Selectors -----------------------------------------------------------------------------------


def test_anothers_order_and_none_look_the_same(till):
    fan = new_holder()
    order = opened(fan, till)
    assert selectors.order_of(fan, OrderId(order.pk)) == order
    refusals = []
    for holder, number in ((new_holder(), order.pk), (fan, order.pk + 1)):
        with pytest.raises(UnknownOrder) as refusal:
            selectors.order_of(holder, OrderId(number))
        refusals.append((refusal.value.code, refusal.value.message, refusal.value.data))
    assert refusals[0] == refusals[1]
    assert selectors.orders_of(fan, 5) == [order]
    assert selectors.prices_of(fan, [OrderId(order.pk)]) == {OrderId(order.pk): order.price}
    assert selectors.prices_of(new_holder(), [OrderId(order.pk)]) == {}


def test_an_unknown_order_cannot_be_moved(till):
    with pytest.raises(UnknownOrder):
        services.refresh_order(OrderId(5), checkouts=till, book=DjangoBook(), now=NOW)
    with pytest.raises(UnknownOrder):
        services.refund_order(
            OrderId(5), key=new_key(), reason="", checkouts=till, book=DjangoBook(), now=NOW
        )
