"""The daily close and the provider's settlement.

Owns one task, which looks every five minutes and does a day's work once. Must not hold rules.
Invariant: a close that was cut is finished by the next run, and closing again changes nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from procrastinate.contrib.django import app

from largesse.adapters import clock
from largesse.adapters.postgres import closing, settling
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.providers.sandbox import PROVIDER
from largesse.finance.selectors import is_closed
from largesse.finance.services import Closed, close_day, settle_provider

_log = logging.getLogger(__name__)


def close_yesterday() -> Closed:
    """Book the provider's settlement of yesterday (UTC, by the product's clock) and close it."""
    now = clock.now()
    yesterday = (now - timedelta(days=1)).date()
    if is_closed(yesterday):
        return Closed(0, {}, {})
    book = DjangoBook()
    settle_provider(book, settling, provider=PROVIDER, day=yesterday, now=now)
    return close_day(book, closing, day=yesterday, now=now)


@app.periodic(cron="*/5 * * * *")
@app.task(name="finance.close_yesterday", queueing_lock="finance.close_yesterday")
def close_yesterday_task(timestamp: int) -> None:
    """Close the day that ended, unless it is closed already."""
    closed = close_yesterday()
    if closed.buckets:
        _log.info("Closed %d buckets, revenue %s", closed.buckets, closed.revenue)
