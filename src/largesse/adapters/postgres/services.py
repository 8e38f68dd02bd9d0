"""What the ledger does by itself as time passes: the sweep of holds.

Owns the transactions of that work on Django's connection. Must not decide what a hold is for.
Invariant: each batch is a transaction of its own, so a sweep that is cut has done whole batches.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.holding import expire_holds

HOLDS_A_BATCH = 500


def expire_due_holds(now: datetime) -> int:
    """Expire every hold whose time had come at `now`; returns how many this call expired."""
    expired = 0
    while True:
        with transaction.atomic():
            count = run(expire_holds(now, HOLDS_A_BATCH))
        expired += count
        if count < HOLDS_A_BATCH:
            return expired
