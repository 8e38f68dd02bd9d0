"""The chain of journals behind any balance, on Django's connection.

Owns which journals moved an account: a person's, or the platform's in one bucket or in all. Must
not write, and must not choose words. Invariant: a chain, its beginning and the stored balance are
of one snapshot, and memory does not grow with the length of a chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

from largesse.adapters.postgres.checks import STORED, snapshot
from largesse.adapters.postgres.telling import tell
from largesse.ledger.accounts import ACCOUNTS, WALLET_ACCOUNTS, Account, Unit
from largesse.ledger.explain import Before, Link, Move, Told, linked
from largesse.money.ids import PLATFORM, HolderId, creator_bucket, fan_bucket

_FETCHED = 500
"""Links of one look at their facts; bounds the memory of a chain."""

# What moved a person's account: their journals by the index, and their gifts by the chain.
_OF_PERSON = """
    WITH RECURSIVE gift AS (
        SELECT g.bucket, g.seq, g.prev_seq, g.at, g.coins, g.bonus
        FROM ledger_wallet w JOIN ledger_gift g ON g.bucket = w.bucket AND g.seq = w.head_seq
        WHERE w.bucket = %(bucket)s AND w.holder = %(holder)s
          AND %(code)s IN ('fan_paid', 'fan_bonus')
        UNION ALL
        SELECT g.bucket, g.seq, g.prev_seq, g.at, g.coins, g.bonus
        FROM gift c JOIN ledger_gift g ON g.bucket = c.bucket AND g.seq = c.prev_seq
        WHERE c.prev_seq > 0
    ), moved AS (
        SELECT j.at, j.bucket, j.seq,
               sum(CASE WHEN t.credit = %(code)s THEN t.amount ELSE 0 END
                   - CASE WHEN t.debit = %(code)s THEN t.amount ELSE 0 END)::bigint AS change
        FROM ledger_journal j JOIN ledger_transfer t ON t.bucket = j.bucket AND t.seq = j.seq
        WHERE j.bucket = %(bucket)s AND j.holder = %(holder)s
          AND t.asset = %(asset)s AND %(code)s IN (t.debit, t.credit)
        GROUP BY j.at, j.bucket, j.seq
        UNION ALL
        SELECT at, bucket, seq, change
        FROM (SELECT *, CASE %(code)s WHEN 'fan_paid' THEN bonus - coins ELSE -bonus END AS change
              FROM gift) g WHERE change <> 0
    )
"""
_OF_PLATFORM = """
    WITH moved AS (
        SELECT j.at, j.bucket, j.seq,
               sum(CASE WHEN t.credit = %(code)s THEN t.amount ELSE 0 END
                   - CASE WHEN t.debit = %(code)s THEN t.amount ELSE 0 END)::bigint AS change
        FROM ledger_transfer t JOIN ledger_journal j ON j.bucket = t.bucket AND j.seq = t.seq
        WHERE (%(bucket)s::smallint IS NULL OR t.bucket = %(bucket)s::smallint)
          AND t.asset = %(asset)s AND %(code)s IN (t.debit, t.credit)
        GROUP BY j.at, j.bucket, j.seq
        UNION ALL
        SELECT at, bucket, seq, coins FROM ledger_gift
        WHERE %(code)s = 'gift_clearing'
          AND (%(bucket)s::smallint IS NULL OR bucket = %(bucket)s::smallint)
    )
"""
_OLDEST_FIRST = "SELECT bucket, seq, change FROM moved ORDER BY {order}"
_TOTAL = "SELECT count(*), coalesce(sum(change), 0)::bigint FROM moved"
_STORED = f"""
    SELECT coalesce(sum(balance), 0)::bigint FROM ({STORED}) s
    WHERE code = %(code)s AND asset = %(asset)s AND holder = %(holder)s
      AND (%(bucket)s::smallint IS NULL OR bucket = %(bucket)s::smallint)
"""  # noqa: S608 - constants only
_ASSETS = """
    SELECT asset FROM ledger_account WHERE code = %(code)s AND holder = 0
      AND (%(bucket)s::smallint IS NULL OR bucket = %(bucket)s::smallint)
    UNION SELECT asset FROM ledger_transfer WHERE %(code)s IN (debit, credit)
      AND (%(bucket)s::smallint IS NULL OR bucket = %(bucket)s::smallint)
    ORDER BY asset
"""


@dataclass(frozen=True, slots=True)
class Target:
    """An account in one asset: a person's, or the platform's (in all buckets, without one)."""

    account: Account
    asset: str
    holder: HolderId = PLATFORM
    bucket: int | None = None

    @property
    def home(self) -> int | None:
        """The bucket to look in; a person's account has one only."""
        if self.holder == PLATFORM:
            return self.bucket
        is_fan = self.account in WALLET_ACCOUNTS
        return fan_bucket(self.holder) if is_fan else creator_bucket(self.holder)


@dataclass(frozen=True, slots=True)
class Chain:
    """The balance of an account as stored, what came before, and the links from there on.

    Amounts are minor units of the target's asset, credits minus debits. Sound books end a chain at
    the stored balance: whoever reads the links to the end compares.
    """

    target: Target
    stored: int
    before: Before
    links: Iterator[Link]


@contextmanager
def one_moment() -> Iterator[None]:
    """Let all chains that are read inside be of one moment; nothing is locked against writers."""
    with snapshot():
        yield


def accounts_of(holder: HolderId) -> list[Target]:
    """Return all accounts that a person can have."""
    return [
        Target(account, account.unit.value, holder)
        for account in ACCOUNTS.values()
        if account.personal
    ]


def platform_assets(account: Account, bucket: int | None = None) -> list[Target]:
    """Return a platform account once for every asset that it ever held."""
    if account.unit is not Unit.CURRENCY:
        return [Target(account, account.unit.value, bucket=bucket)]
    rows = _rows(_ASSETS, {"code": account.code, "bucket": bucket})
    return [Target(account, asset, bucket=bucket) for (asset,) in rows]


def chain(target: Target, limit: int | None = None) -> Chain:
    """Return the chain of an account, oldest first: all of it, or the newest `limit` links.

    Read the links before `one_moment` ends. Raises what `telling.tell` raises.
    """
    params = {
        "code": target.account.code,
        "asset": target.asset,
        "holder": target.holder,
        "bucket": target.home,
    }
    moved = _OF_PLATFORM if target.holder == PLATFORM else _OF_PERSON
    stored = _rows(_STORED, params)[0][0]
    # Sequences order a bucket; buckets have no order but time.
    order = "at, bucket, seq" if target.home is None else "seq"
    oldest_first = moved + _OLDEST_FIRST.format(order=order)
    if limit is None:
        return Chain(target, stored, Before(), linked(Before(), _told(oldest_first, params)))
    count, total = _rows(moved + _TOTAL, params)[0]
    skipped = max(0, count - limit)
    params["skipped"] = skipped
    newest = _rows(f"{oldest_first} OFFSET %(skipped)s", params)
    before = Before(skipped, total - sum(change for _, _, change in newest))
    return Chain(target, stored, before, linked(before, _facts(newest)))


def _told(sql: str, params: dict[str, Any]) -> Iterator[tuple[Move, Told]]:
    """Yield every move with its facts, from a cursor that stays on the server."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(_FETCHED):
            yield from _facts(rows)


def _facts(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Move, Told]]:
    for first in range(0, len(rows), _FETCHED):
        part = rows[first : first + _FETCHED]
        told = tell((bucket, seq) for bucket, seq, _ in part)
        for bucket, seq, change in part:
            yield Move(bucket, seq, change), told[bucket, seq]


def _rows(sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
