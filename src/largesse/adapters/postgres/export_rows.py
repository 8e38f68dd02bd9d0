"""The rows of an export: every posting in ledger order, and every account with its balance.

Owns how the ledger is streamed out of one snapshot. Must not know formats or files, and must not
write. Invariant: all rows of an export are of one moment, and memory does not grow with the number
of postings: cursors stay on the server, which reads both tables in the order of their keys.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date
from itertools import groupby
from typing import Any, LiteralString, NamedTuple

import psycopg

from largesse.adapters.postgres.checks import ENTRIES, STORED
from largesse.finance.exports import Line, Record, Span, Standing
from largesse.gifting.rules import gift_public_id
from largesse.ledger.rules import gift_transfers
from largesse.money.ids import PLATFORM, public_id

_FETCHED = 5_000
"""Rows of one round trip; bounds the memory of an export."""

_JOURNALS: LiteralString = """
    SELECT j.bucket, j.seq, j.at, j.event, j.id, j.reference, j.detail, t.debit, t.debit_holder,
           t.credit, t.credit_holder, t.asset, t.amount
    FROM ledger_journal j
    LEFT JOIN ledger_transfer t ON t.bucket = j.bucket AND t.seq = j.seq
    ORDER BY j.bucket, j.seq, t.line
"""
_GIFTS: LiteralString = """
    SELECT bucket, seq, at, id, fan, creator, room, gift, count, coins, bonus, policy, streak_seq
    FROM ledger_gift ORDER BY bucket, seq
"""
# The gifts of a day stand where the last of them does.
_GIFT_DAYS: LiteralString = """
    SELECT bucket, max(seq) AS seq, max(at), fan, count(*), sum(coins)::bigint, sum(bonus)::bigint
    FROM ledger_gift GROUP BY bucket, fan, (at AT TIME ZONE 'UTC')::date ORDER BY bucket, seq
"""
_STANDINGS = f"""
    SELECT bucket, holder, code, asset, sum(balance)::bigint FROM (
        SELECT bucket, holder, code, asset, balance FROM ({STORED}) s WHERE balance <> 0
        UNION ALL
        SELECT DISTINCT bucket, holder, code, asset, 0 FROM ({ENTRIES}) e WHERE change <> 0
    ) a GROUP BY bucket, holder, code, asset ORDER BY code, bucket, holder, asset
"""  # noqa: S608 - constants only
_TOTALS = f"""
    SELECT code, asset, sum(balance)::bigint, count(*) FILTER (WHERE holder <> 0 AND balance <> 0)
    FROM ({STORED}) s GROUP BY code, asset
"""  # noqa: S608 - constants only
_SPAN: LiteralString = """
    SELECT (min(at) AT TIME ZONE 'UTC')::date, (max(at) AT TIME ZONE 'UTC')::date,
           (SELECT sum(last_seq)::bigint FROM ledger_bucket)
    FROM (SELECT min(at) AS at FROM ledger_journal UNION ALL SELECT max(at) FROM ledger_journal
          UNION ALL SELECT min(at) FROM ledger_gift UNION ALL SELECT max(at) FROM ledger_gift) t
"""
_ASSETS: LiteralString = """
    SELECT asset FROM ledger_account UNION SELECT asset FROM ledger_transfer
    UNION SELECT 'COIN' WHERE EXISTS (SELECT 1 FROM ledger_gift) ORDER BY 1
"""


class Total(NamedTuple):
    """An account summed over buckets and people, and how many people hold some."""

    code: str
    asset: str
    balance: int
    holders: int


class Snapshot:
    """The ledger as of one moment, streamed; made by `open_snapshot`."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        first, last, postings = self._one(_SPAN)
        self.postings: int = postings
        """Journals and gifts together."""
        # An empty book has no days; any day declares what it holds: nothing.
        self.span = Span(first or date(2000, 1, 1), last or date(2000, 1, 1))
        rows = connection.execute(_ASSETS).fetchall()
        self.assets: list[str] = [row[0] for row in rows]

    def records(self, *, days: bool = False) -> Iterator[Record]:
        """Yield all postings by bucket and sequence; with `days` one record a fan and day."""
        journals = self._journals()
        gifts = self._gift_days() if days else self._gifts()
        return heapq.merge(journals, gifts, key=lambda record: (record.bucket, record.seq))

    def standings(self) -> Iterator[Standing]:
        """Yield every account that ever moved or holds something, those of one name together."""
        for row in self._stream("standings", _STANDINGS):
            yield Standing(*row)

    def totals(self) -> Iterator[Total]:
        """Yield the stored balances summed per account and asset."""
        for row in self._stream("totals", _TOTALS):
            yield Total(*row)

    def _journals(self) -> Iterator[Record]:
        rows = self._stream("journals", _JOURNALS)
        for (bucket, seq), group in groupby(rows, key=lambda row: row[:2]):
            lines = list(group)
            at, event, number, reference, detail = lines[0][2:7]
            yield Record(
                bucket,
                seq,
                at,
                event,
                str(number),
                reference,
                [Line(*row[7:]) for row in lines if row[7] is not None],
                detail,
            )

    def _gifts(self) -> Iterator[Record]:
        for row in self._stream("gifts", _GIFTS):
            bucket, seq, at, number, fan, creator, room, gift, count, coins, bonus = row[:11]
            facts = {
                "fan": public_id("usr", fan),
                "creator": public_id("usr", creator),
                "room": public_id("room", room) if room else None,
                "gift": gift,
                "pieces": count,
                "policy": row[11],
                "streak": str(row[12] or seq),
            }
            lines = _gift_lines(fan, coins, bonus)
            reference = gift_public_id(fan, seq)
            yield Record(bucket, seq, at, "gift", str(number), reference, lines, facts)

    def _gift_days(self) -> Iterator[Record]:
        for row in self._stream("gift_days", _GIFT_DAYS):
            bucket, seq, at, fan, count, coins, bonus = row
            day = f"{at.astimezone(UTC):%Y-%m-%d}"
            reference = f"{public_id('usr', fan)}/{day}"
            lines = _gift_lines(fan, coins, bonus)
            facts = {"fan": public_id("usr", fan)}
            yield Record(bucket, seq, at, "gifts", reference, reference, lines, facts, count)

    def _stream(self, name: str, sql: LiteralString) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(name) as cursor:
            cursor.itersize = _FETCHED
            cursor.execute(sql)
            yield from cursor

    def _one(self, sql: LiteralString) -> tuple[Any, ...]:
        row = self._connection.execute(sql).fetchone()
        assert row is not None, "an aggregate without GROUP BY returns one row"
        found: tuple[Any, ...] = row
        return found


@contextmanager
def open_snapshot(url: str) -> Iterator[Snapshot]:
    """Open the ledger at `url` as of now, on a connection of its own.

    Raises psycopg.Error; nothing is locked against writers, and a retry sees a later moment.
    """
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield Snapshot(connection)


def _gift_lines(fan: Any, coins: int, bonus: int) -> list[Line]:
    """The transfers that a gift row stands for, by the ledger's own rule."""
    return [
        Line(t.debit.account.code, fan, t.credit.account.code, PLATFORM, "COIN", t.amount.minor)
        for t in gift_transfers(fan, coins - bonus, bonus)
    ]
