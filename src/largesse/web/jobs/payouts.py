"""The sweep of payouts, every minute.

Owns one task and the seal of account numbers. Must not hold rules. Invariant: a payout whose
outcome nobody knows is asked about, under its own key, until somebody does.
"""

from __future__ import annotations

import logging

from django.conf import settings
from procrastinate.contrib.django import app

from largesse.adapters import clock
from largesse.adapters.postgres.book import DjangoBook
from largesse.payouts.services import SEAL_PURPOSE, Swept, sweep_payouts
from largesse.people.sealing import Seal
from largesse.web import providers

_log = logging.getLogger(__name__)


def destination_seal() -> Seal:
    """Return what seals and opens account numbers: a key derived from the product's secret."""
    return Seal(settings.CONFIG.secret, SEAL_PURPOSE)


def sweep_now() -> Swept:
    """Bring forward every payout whose turn it is. Raises Unavailable without a provider."""
    return sweep_payouts(
        book=DjangoBook(),
        transfers=providers.transfers(),
        seal=destination_seal(),
        now=clock.now,
    )


@app.periodic(cron="* * * * *")
@app.task(name="payouts.sweep", queueing_lock="payouts.sweep")
def sweep_payouts_task(timestamp: int) -> None:
    """Send payouts that were requested, and ask about those under way."""
    swept = sweep_now()
    if swept.asked:
        _log.info("Payouts asked %d, ended %d", swept.asked, swept.ended)
