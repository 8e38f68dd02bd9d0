"""What a provider's settlement needs of the ledger, on Django's connection.

Owns the sums behind it: open clearing and the charges that fees are counted by. Must not post:
finance does, in the same transaction. Invariant: the lane of the bucket is held, so the sums stay
true until that transaction ends.
"""

from __future__ import annotations

from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.statements import Query, Steps, lock_bucket
from largesse.finance.ports import Unsettled


def unsettled(bucket: int, after_seq: int) -> Unsettled:
    """Return what a provider still holds of a bucket, in minor units per currency, and how many
    recharges were posted after a sequence. Takes the bucket's lane.
    """
    return run(_unsettled(bucket, after_seq))


def _unsettled(bucket: int, after_seq: int) -> Steps[Unsettled]:
    yield from lock_bucket(bucket)
    last = yield Query("SELECT last_seq FROM ledger_bucket WHERE bucket = %s", (bucket,))
    held = yield Query(
        "SELECT asset, -balance FROM ledger_account "
        "WHERE bucket = %s AND holder = 0 AND code = 'provider_clearing'",
        (bucket,),
    )
    charges = yield Query(
        "SELECT t.asset, count(*) FROM ledger_journal j "
        "JOIN ledger_transfer t ON t.bucket = j.bucket AND t.seq = j.seq "
        "AND t.debit = 'provider_clearing' AND t.credit = 'deferred_revenue' "
        "WHERE j.bucket = %s AND j.seq > %s AND j.event = 'recharge' GROUP BY t.asset",
        (bucket, after_seq),
    )
    return Unsettled(dict(held), dict(charges), last[0][0])
