"""The janitor of recharges: late orders, notifications that wait, lots that expire.

Owns three tasks and the table of who applies which kind of notification. Must not hold rules.
Invariant: a lost notification costs a fan a minute, never their coins.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from procrastinate.contrib.django import app

from largesse.adapters import clock
from largesse.adapters.postgres import expiring
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.providers.sandbox import PROVIDER
from largesse.money.errors import Unavailable
from largesse.payouts.services import refresh_payout
from largesse.recharge.expiry.services import expire_lots
from largesse.recharge.services import (
    Applier,
    apply_due_notifications,
    refresh_by_checkout,
    sweep_orders,
)
from largesse.web import providers

_log = logging.getLogger(__name__)


def appliers(now: datetime) -> Mapping[str, Applier]:
    """Return who applies a notification, by its kind; each re-reads the object it names."""
    book = DjangoBook()

    def apply_checkout(checkout_id: str) -> bool:
        return refresh_by_checkout(
            PROVIDER,
            checkout_id,
            checkouts=providers.checkouts(),
            book=book,
            now=now,
        )

    def apply_transfer(payout: str) -> bool:
        return refresh_payout(payout, book=book, transfers=providers.transfers(), now=now)

    return {"checkout": apply_checkout, "transfer": apply_transfer}


@app.periodic(cron="* * * * *")
@app.task(name="recharge.sweep_orders", queueing_lock="recharge.sweep_orders")
def sweep_orders_task(timestamp: int) -> None:
    """Ask the provider, where there is one, about every order that should have moved."""
    try:
        checkouts = providers.checkouts()
    except Unavailable:
        return
    sweep = sweep_orders(checkouts=checkouts, book=DjangoBook(), now=clock.now())
    if sweep.asked:
        _log.info("Orders asked %d, moved %d, failed %d", sweep.asked, sweep.moved, sweep.failed)


@app.periodic(cron="* * * * *")
@app.task(name="recharge.expire_lots", queueing_lock="recharge.expire_lots")
def expire_lots_task(timestamp: int) -> None:
    """Let the coins lapse that nobody used in time."""
    expired = expire_lots(book=DjangoBook(), queue=expiring, now=clock.now())
    if expired.lots:
        _log.info("Lots expired %d, with %d coins", expired.lots, expired.coins)


@app.periodic(cron="* * * * *")
@app.task(name="recharge.apply_notifications", queueing_lock="recharge.apply_notifications")
def apply_notifications_task(timestamp: int) -> None:
    """Apply the notifications whose next attempt is due."""
    now = clock.now()
    sweep = apply_due_notifications(appliers=appliers(now), now=now)
    if sweep.asked:
        _log.info("Notifications tried %d, applied %d", sweep.asked, sweep.moved)
