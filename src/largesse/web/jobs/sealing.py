"""The sealing of committed postings and the signing of the log, every fifteen seconds.

Owns one task. Must not know how a leaf is made. Invariant: it follows the commit: it reads, and
writes the log's own tables only, so that no gift ever waits for it.
"""

from __future__ import annotations

import logging

from django.conf import settings
from procrastinate.contrib.django import app

from largesse.adapters import clock, receipt_key
from largesse.adapters.receipts.services import keep_sealed

_log = logging.getLogger(__name__)


def seal_now() -> int:
    """Seal and sign until nothing is left; returns the rounds, each with a checkpoint."""
    key, rounds = receipt_key.load(settings.CONFIG), 1
    while not keep_sealed(key, clock.now()):
        rounds += 1
    return rounds


@app.periodic(cron="* * * * * */15")
@app.task(name="receipts.seal", queueing_lock="receipts.seal")
def seal_task(timestamp: int) -> None:
    """Seal what was committed since the last time, and sign a checkpoint."""
    rounds = seal_now()
    if rounds > 1:
        _log.info("Sealed a backlog in %d rounds", rounds)
