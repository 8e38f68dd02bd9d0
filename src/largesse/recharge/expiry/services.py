"""The command that lets lots expire.

Owns the sweep. Must not know the clock or the queue's table: time and queue come in as arguments.
Invariant: a lot leaves the queue in the transaction that posts its expiry, so that a sweep that is
cut anywhere, doubled or repeated expires nothing twice and forgets nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from largesse.ledger import rules as posting
from largesse.ledger.lots import CoinClass
from largesse.ledger.ports import Book
from largesse.recharge.ports import ExpiringLot, ExpiringLots
from largesse.recharge.rules import expiry_key


@dataclass(frozen=True, slots=True)
class Expired:
    """What one sweep did: lots that left the queue, and the coins that lapsed."""

    lots: int
    coins: int


def expire_lots(*, book: Book, queue: ExpiringLots, now: datetime) -> Expired:
    """Let the unspent coins of every lot lapse whose time has come; one transaction for each lot.

    A lot of whose class the fan has coins on hold waits for the next sweep, because nobody knows
    yet whether its coins are spent. Raises TransientError when the connection gives way; what was
    done stays done, and a retry does the rest.
    """
    lots = coins = 0
    for due in queue.due(now):
        lapsed = _expire(due, book, queue, now)
        if lapsed is not None:
            lots += 1
            coins += lapsed
    return Expired(lots, coins)


@transaction.atomic
def _expire(due: ExpiringLot, book: Book, queue: ExpiringLots, now: datetime) -> int | None:
    """Expire one lot; returns the coins that lapsed, or None for a lot that stays or has gone."""
    wallet = book.wallet(due.holder, lock=True)
    is_paid = due.coin_class is CoinClass.PAID
    purse = wallet.paid if is_paid else wallet.bonus
    if purse.held or not queue.take(due):
        return None
    key = expiry_key(due)
    if is_paid:
        journal = posting.paid_expiry(key, now, due.holder, purse, due.lot)
    else:
        reference = due.lot.reference
        journal = posting.expiry(key, now, due.holder, purse, due.lot.serials, reference)
    if journal is None:
        return 0
    book.post([journal])
    return sum(len(void.serials) for void in journal.voids)
