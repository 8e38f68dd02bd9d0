"""What the daily close needs of the ledger, on Django's connection.

Owns the sums behind it: what was paid for the gifts since the last close, and the diamonds that a
bucket ever issued. Must not post: finance does, in the same transaction. Invariant: a gift is
closed once, since the bucket keeps the sequence up to which it was.
"""

from __future__ import annotations

from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.statements import Query, Steps, lock_bucket
from largesse.ledger.accounts import Account
from largesse.money.ids import PLATFORM


def delivered(bucket: int) -> tuple[dict[str, int], int]:
    """Return the net money (without tax, minor units per currency) behind the paid coins of gifts
    that were not closed yet, and the sequence up to which that counts. Takes the bucket's lane.
    """
    return run(_delivered(bucket))


def mark_closed(bucket: int, seq: int) -> None:
    """Remember that gifts up to `seq` are closed."""
    run(_mark_closed(bucket, seq))


def diamonds_by_policy(bucket: int) -> dict[int, int]:
    """Return the diamonds that a creators' bucket ever issued, per number of the share policy."""
    return run(_diamonds_by_policy(bucket))


def platform_balance(bucket: int, account: Account, asset: str) -> int:
    """Return a bucket's own account in minor units of one asset."""
    return run(_platform_balance(bucket, account, asset))


def _delivered(bucket: int) -> Steps[tuple[dict[str, int], int]]:
    yield from lock_bucket(bucket)
    rows = yield Query(
        "SELECT last_seq, closed_seq FROM ledger_bucket WHERE bucket = %s", (bucket,)
    )
    last_seq, closed_seq = rows[0]
    # A lot's net price is split cumulatively over its serials; the spent range of all these gifts
    # of a fan is one range, since gifts spend serials one after the other. Void serials inside it
    # left deferred revenue when they were voided, so their part is taken off.
    rows = yield Query(
        """
        WITH spent AS (
            SELECT fan, min(paid_from) AS start, max(paid_to) AS stop FROM ledger_gift
            WHERE bucket = %(bucket)s AND seq > %(after)s AND seq <= %(upto)s GROUP BY fan
        ), ranges AS (
            SELECT fan, start, stop, 1 AS sign FROM spent
            UNION ALL
            SELECT s.fan, v.start, v.stop, -1 FROM spent s JOIN ledger_void v
              ON v.bucket = %(bucket)s AND v.holder = s.fan AND v.class = 'paid'
             AND v.start >= s.start AND v.stop <= s.stop
        )
        SELECT l.currency, sum(r.sign * (
            div((l.price_minor - l.tax_minor)::numeric * (least(r.stop, l.stop) - l.start),
                l.stop - l.start)
          - div((l.price_minor - l.tax_minor)::numeric * (greatest(r.start, l.start) - l.start),
                l.stop - l.start)))::bigint
        FROM ranges r JOIN ledger_lot l ON l.bucket = %(bucket)s AND l.holder = r.fan
          AND l.class = 'paid' AND l.start < r.stop AND r.start < l.stop
        GROUP BY l.currency
        """,
        {"bucket": bucket, "after": closed_seq, "upto": last_seq},
    )
    return {currency: minor for currency, minor in rows if minor}, int(last_seq)


def _mark_closed(bucket: int, seq: int) -> Steps[None]:
    yield Query("UPDATE ledger_bucket SET closed_seq = %s WHERE bucket = %s", (seq, bucket))


def _diamonds_by_policy(bucket: int) -> Steps[dict[int, int]]:
    yield from lock_bucket(bucket)
    rows = yield Query(
        "SELECT policy, sum(diamonds)::bigint FROM ledger_earning WHERE bucket = %s "
        "GROUP BY policy ORDER BY policy",
        (bucket,),
    )
    return dict(rows)


def _platform_balance(bucket: int, account: Account, asset: str) -> Steps[int]:
    rows = yield Query(
        "SELECT balance FROM ledger_account WHERE bucket = %s AND holder = %s AND code = %s "
        "AND asset = %s",
        (bucket, PLATFORM, account.code, asset),
    )
    return int(rows[0][0]) if rows else 0
