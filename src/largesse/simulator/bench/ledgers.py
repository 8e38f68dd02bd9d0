"""The databases of a benchmark: filled, preloaded, counted and weighed.

Owns the history that a grown ledger has, and the count that a report needs. Must not measure speed.
Invariant: history is posted by the ledger's own function in the live service's batches, so that
rows, chains, serials and pages lie on disk as they would have come.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from largesse.simulator.bench.gifts import CREATORS, FANS, FIRST_CREATOR, FIRST_FAN

_BATCH = 2_000
_WRITERS = 2
"""Each has half of the buckets, so that they never wait for each other."""

FIRST_MS = 1_698_796_800_000
HISTORY_MS = 2 * 365 * 86_400_000
"""The gifts of a grown ledger were given over two years from November 2023, evenly."""

Advance = Callable[[int], None]

# Gifts number `start` to `stop` of one writer: everything about a gift follows from its number.
# Their keys end in the past, so that those of the rounds come after them.
_PRELOAD = """
    SELECT count(p) FROM (
        SELECT array_agg((fan & 63)::smallint ORDER BY n) AS bucket,
               array_agg((lpad(to_hex(ms), 12, '0') || '7' || substr(hash, 1, 3) || '8'
                          || substr(hash, 4, 15))::uuid ORDER BY n) AS id,
               array_agg(fan ORDER BY n) AS fan,
               array_agg(creator ORDER BY n) AS creator,
               array_agg(1 ORDER BY n) AS one,
               array_agg(1::bigint ORDER BY n) AS coin,
               array_agg(0::bigint ORDER BY n) AS none,
               array_agg(timestamptz 'epoch' + ms * interval '1 ms' ORDER BY n) AS at
        FROM (
            SELECT n, md5(n || ' of ' || %(writer)s) AS hash,
                   %(first_ms)s + (n * %(span_ms)s::numeric / %(gifts)s)::bigint AS ms,
                   %(first_fan)s + (f / %(half)s) * 64 + %(half)s * %(writer)s + f %% %(half)s
                       AS fan,
                   %(first_creator)s + (hashint8(n) & 2147483647) %% %(creators)s AS creator
            FROM (SELECT n, (hashint8extended(n, %(writer)s) & 9223372036854775807)
                            %% %(fans)s AS f
                  FROM generate_series(%(start)s::bigint, %(stop)s::bigint - 1) n) drawn
        ) made
    ) a
    CROSS JOIN LATERAL ledger_post_gifts(
        a.bucket, a.id, a.fan, a.creator, a.creator, a.one, a.one, a.coin, a.one, a.none, a.at) p
"""

_COUNTS = """
    SELECT (SELECT count(*) FROM ledger_gift), (SELECT sum(coins) FROM ledger_gift),
           (SELECT sum(paid_next) FROM ledger_wallet),
           (SELECT sum(gift_clearing) FROM ledger_bucket)
"""

_WEIGHT = """
    SELECT pg_table_size('ledger_gift'), pg_indexes_size('ledger_gift'),
           (SELECT count(*) FROM ledger_gift)
"""


class BooksDisagree(Exception):
    """The books do not hold the gifts that were counted: there is no report."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What gifts take on disk, in bytes: the table with its maps, and its indexes."""

    table: int
    indexes: int
    gifts: int

    @property
    def bytes_per_gift(self) -> int:
        """Bytes of table and indexes for each gift, rounded."""
        return round((self.table + self.indexes) / max(1, self.gifts))


def database(url: str, name: str) -> str:
    """Return the address of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def name_of(url: str) -> str:
    """Return the name of the database that an address leads to."""
    return str(conninfo_to_dict(url)["dbname"])


def create_database(url: str, name: str, *, template: str | None = None) -> str:
    """Make an empty database, or a copy of one that nobody uses; returns its address."""
    with psycopg.connect(database(url, "postgres"), autocommit=True) as connection:
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(
            query.format(sql.Identifier(name), sql.Identifier(template or "template0"))
        )
    return database(url, name)


def drop_database(url: str, name: str) -> None:
    """Remove a database and what it took on disk."""
    with psycopg.connect(database(url, "postgres"), autocommit=True) as connection:
        query = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(query.format(sql.Identifier(name)))


def preload(url: str, start: int, stop: int, *, history: int, advance: Advance) -> None:
    """Post the gifts `start` to `stop` of a history of so many; count them afterwards.

    Even numbers, please: two writers share the gifts. The fans must have coins. Each batch is one
    transaction.
    """
    shares = [range(start // _WRITERS, stop // _WRITERS) for _ in range(_WRITERS)]

    def write(writer: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for first in range(shares[writer].start, shares[writer].stop, _BATCH):
                last = min(first + _BATCH, shares[writer].stop)
                connection.execute(
                    _PRELOAD,
                    {
                        "writer": writer,
                        "start": first,
                        "stop": last,
                        "gifts": history // _WRITERS,
                        "first_ms": FIRST_MS,
                        "span_ms": HISTORY_MS,
                        "first_fan": FIRST_FAN,
                        "fans": FANS // _WRITERS,
                        "half": 64 // _WRITERS,
                        "first_creator": FIRST_CREATOR,
                        "creators": CREATORS,
                    },
                )
                advance(last - first)

    with ThreadPoolExecutor(_WRITERS) as writers:
        list(writers.map(write, range(_WRITERS)))
    settle(url)


def settle(url: str) -> None:
    """Leave nothing to vacuum or write back, so that no round pays for what came before."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def check_coins(url: str, given: int) -> None:
    """Raise BooksDisagree unless the coins that left the wallets are the gifts that were given."""
    with psycopg.connect(url) as connection:
        row = connection.execute(_COUNTS).fetchone()
    assert row is not None, "a SELECT without FROM returns one row"
    gifts, coins, spent, clearing = (int(value or 0) for value in row)
    if {gifts, coins, spent, clearing} != {given}:
        raise BooksDisagree(
            f"{given:,} gifts of one coin were counted, but the books hold {gifts:,} gifts of "
            f"{coins:,} coins, {spent:,} spent serials and {clearing:,} coins in clearing."
        )


def weigh(url: str) -> Weight:
    """Return what the gifts of a ledger take on disk."""
    with psycopg.connect(url) as connection:
        row = connection.execute(_WEIGHT).fetchone()
    assert row is not None, "a SELECT without FROM returns one row"
    return Weight(*(int(value) for value in row))
