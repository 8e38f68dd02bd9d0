"""Reads of recharges.

Owns how pages and the console ask about orders. Must not change anything. Invariant: a fan's
question is answered about their own orders only; another's and none look the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from largesse.money.amounts import Amount
from largesse.money.ids import HolderId, OrderId
from largesse.recharge.errors import UnknownOrder
from largesse.recharge.models import Order, OrderEvent
from largesse.recharge.rules import Status


def order_of(holder: HolderId, order_id: OrderId) -> Order:
    """Return a fan's order; raises UnknownOrder also when it is somebody else's."""
    order = Order.objects.filter(pk=order_id, holder=holder).first()
    if order is None:
        raise UnknownOrder("You have no order with this number.")
    return order


def orders_of(holder: HolderId, limit: int) -> list[Order]:
    """Return a fan's newest orders, newest first."""
    return list(Order.objects.filter(holder=holder).order_by("-created_at", "-id")[:limit])


def timeline(order: Order) -> list[OrderEvent]:
    """Return the steps that an order has taken, oldest first."""
    return list(order.events.all())


def parked_orders(limit: int) -> list[Order]:
    """Return the orders that wait for a person, oldest first."""
    parked = Order.objects.exclude(park_reason="").exclude(status=Status.REFUNDED)
    return list(parked.order_by("created_at")[:limit])


def prices_of(holder: HolderId, order_ids: Iterable[OrderId]) -> dict[OrderId, Amount]:
    """Return what a fan paid for some of their orders, tax included."""
    orders = Order.objects.filter(holder=holder, pk__in=list(order_ids))
    return {OrderId(order.pk): order.price for order in orders}
