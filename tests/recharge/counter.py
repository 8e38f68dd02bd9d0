"""Somebody who orders coins in tests.

Owns the making of fans, keys and orders. Must not know pages. Invariant: every fan, key and order
is new, since the ledger keeps what it was told.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from largesse.adapters.postgres.book import DjangoBook
from largesse.catalog.models import CoinPackage
from largesse.money.ids import HolderId, OrderId, id_from_bytes, uuid7
from largesse.recharge import services
from largesse.recharge.models import Order
from tests.recharge.till import Till

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
RETURN_URL = "https://largesse.example/store/"


def new_holder() -> HolderId:
    """Return a fan whom no other test has."""
    return HolderId(id_from_bytes(secrets.token_bytes(8)))


def new_key(at: datetime = NOW) -> UUID:
    """Return a UUIDv7."""
    return uuid7(int(at.timestamp() * 1000), secrets.token_bytes(10))


def package(coins: int, region: str = "US") -> int:
    """Return the id of a package of a region's newest price book."""
    packages = CoinPackage.objects.filter(book__region=region, coins=coins)
    return packages.latest("book__version").pk


def place(holder: HolderId, coins: int = 1200, count: int = 1, **other: object) -> Order:
    """Place an order for one kind of launch package."""
    wish: dict[str, object] = {
        "order_id": OrderId(id_from_bytes(secrets.token_bytes(8))),
        "key": new_key(cast("datetime", other.get("now", NOW))),
        "holder": holder,
        "counts": {package(coins): count},
        "provider": "till",
        "origin": services.Origin(),
        "now": NOW,
    }
    return services.place_order(**{**wish, **other})  # type: ignore[arg-type]


def opened(holder: HolderId, till: Till, **other: object) -> Order:
    """Place an order and open its checkout."""
    order = place(holder, **other)  # type: ignore[arg-type]
    return services.open_checkout(OrderId(order.pk), checkouts=till, return_url=RETURN_URL, now=NOW)


def refresh(order: Order, till: Till, now: datetime = NOW) -> Order:
    """Re-read the till and move the order."""
    return services.refresh_order(OrderId(order.pk), checkouts=till, book=DjangoBook(), now=now)


def bought(holder: HolderId, till: Till, coins: int = 1200) -> Order:
    """Buy a package to the end."""
    order = opened(holder, till, coins=coins)
    till.set(order.checkout_id, status="captured")
    return refresh(order, till)


def steps(order: Order) -> list[str]:
    """Return the timeline of an order."""
    return [event.step for event in order.events.all()]


def balance(holder: HolderId) -> tuple[int, int]:
    """Return a fan's paid coins and debt."""
    wallet = DjangoBook().wallet(holder)
    return wallet.paid.balance, wallet.debt
