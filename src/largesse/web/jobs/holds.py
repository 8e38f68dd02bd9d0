"""The end of holds, every fifteen seconds.

Owns one task. Must not know what a hold is for. Invariant: a run that is cut or doubled releases
nothing twice.
"""

from __future__ import annotations

import logging

from procrastinate.contrib.django import app

from largesse.adapters import clock
from largesse.adapters.postgres.services import expire_due_holds

_log = logging.getLogger(__name__)


@app.periodic(cron="* * * * * */15")
@app.task(name="ledger.expire_holds", queueing_lock="ledger.expire_holds")
def expire_holds_task(timestamp: int) -> None:
    """Release what holds reserve whose time has come, by the product's clock."""
    expired = expire_due_holds(clock.now())
    if expired:
        _log.info("Expired %d holds", expired)
