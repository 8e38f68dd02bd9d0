"""The maturity of diamonds, every minute.

Owns one task. Must not hold rules. Invariant: a run that is cut or doubled matures nothing twice.
"""

from __future__ import annotations

import logging
import secrets
from uuid import UUID

from procrastinate.contrib.django import app

from largesse.adapters import clock
from largesse.adapters.postgres import maturing
from largesse.adapters.postgres.book import DjangoBook
from largesse.earnings.services import Matured, mature_earnings
from largesse.money.ids import uuid7

_log = logging.getLogger(__name__)


def new_key() -> UUID:
    """Return a fresh UUIDv7 of the product's time."""
    return uuid7(int(clock.now().timestamp() * 1000), secrets.token_bytes(10))


def mature_now() -> Matured:
    """Make available what is due by the product's clock; the console's test clock runs it too."""
    return mature_earnings(DjangoBook(), maturing, now=clock.now(), new_key=new_key)


@app.periodic(cron="* * * * *")
@app.task(name="earnings.mature", queueing_lock="earnings.mature")
def mature_task(timestamp: int) -> None:
    """Let the diamonds mature whose hold has ended."""
    matured = mature_now()
    if matured.creators:
        _log.info("Matured %d diamonds of %d creators", matured.diamonds, matured.creators)
