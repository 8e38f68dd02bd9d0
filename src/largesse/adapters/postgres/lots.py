"""What goes with lots beside the book: the order in which a fan's coins are spent.

Owns its change and its history. Must not know regions: who calls decides. Invariant: a change holds
from the fan's next gift on, and the ledger remembers every one, so that each gift can be held
against the order of its time.
"""

from __future__ import annotations

from largesse.adapters.postgres.statements import Query, Steps, lock_bucket
from largesse.ledger.lots import SpendOrder
from largesse.money.ids import HolderId, fan_bucket


def set_spend_order(holder: HolderId, order: SpendOrder) -> Steps[bool]:
    """Let a fan's next gift take coins in this order; returns whether that changed anything.

    Takes the lane of the fan's bucket, for a change only.
    """
    paid_first = order is SpendOrder.PAID_FIRST
    bucket = fan_bucket(holder)
    rows = yield Query(
        "SELECT paid_first FROM ledger_wallet WHERE bucket = %s AND holder = %s", (bucket, holder)
    )
    if (rows[0][0] if rows else False) == paid_first:
        return False
    yield from lock_bucket(bucket)
    yield Query(
        "INSERT INTO ledger_wallet (bucket, holder, paid_first) VALUES (%s, %s, %s) "
        "ON CONFLICT (bucket, holder) DO UPDATE SET paid_first = excluded.paid_first",
        (bucket, holder, paid_first),
    )
    yield Query(
        "INSERT INTO ledger_spend_order (holder, after_seq, bucket, paid_first) "
        "SELECT %s, last_seq, bucket, %s FROM ledger_bucket WHERE bucket = %s "
        "ON CONFLICT (bucket, holder, after_seq) DO UPDATE SET paid_first = excluded.paid_first",
        (holder, paid_first, bucket),
    )
    return True
