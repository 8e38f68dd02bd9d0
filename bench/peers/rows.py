"""Rows of gifts as the engine stored them, for peers that only store.

Owns how they are read out of the engine's database and the table that takes them. Must not know the
columns of a gift: whatever the ledger stores today is what its peers store. Invariant: the table
has the ledger's columns, checks and indexes.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

TABLE = "CREATE TABLE copied_gift (LIKE ledger_gift INCLUDING ALL)"

# Every row once, in the order in which the engine wrote it.
_SOURCE = "SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0"
_HEADER_BYTES = 19
_TRAILER = b"\xff\xff"


def make_table(url: str) -> None:
    """Make the table that peers write into."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)


def count(url: str) -> int:
    """Return how many rows the table holds."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM copied_gift").fetchone()
    return int(row[0]) if row else 0


def copy_blocks(url: str, rows: int, block_rows: int) -> list[bytes]:
    """Read so many gifts as complete inputs of binary COPY, each of `block_rows` rows.

    The server sends a row a message, so that nothing here must know where a row ends.
    """
    blocks: list[bytes] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_SOURCE)
        query = sql.SQL("COPY (SELECT * FROM ledger_gift LIMIT {}) TO STDOUT (FORMAT BINARY)")
        with connection.cursor().copy(query.format(rows)) as source:
            messages = (bytes(message) for message in source)
            first = next(messages)
            header, gathered = first[:_HEADER_BYTES], [first[_HEADER_BYTES:]]
            # The header may come alone, or with the first row.
            gathered = [message for message in gathered if message]
            for message in messages:
                if message == _TRAILER:
                    continue
                gathered.append(message)
                if len(gathered) == block_rows:
                    blocks.append(header + b"".join(gathered) + _TRAILER)
                    gathered = []
    return blocks


def insert_statement(url: str) -> str:
    """Return the INSERT of one row, its values in the order of the columns."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT * FROM ledger_gift LIMIT 0").description or []
    names = ", ".join(column.name for column in found)
    marks = ", ".join("%s" for _ in found)
    return f"INSERT INTO copied_gift ({names}) VALUES ({marks})"


def insert_values(url: str, rows: int, offset: int) -> Iterator[tuple[str, ...]]:
    """Yield the values of gifts as texts, whose types the server takes from the columns."""
    with psycopg.connect(url) as connection:
        connection.execute(_SOURCE)
        cursor = connection.execute("SELECT * FROM ledger_gift LIMIT %s OFFSET %s", (rows, offset))
        for row in cursor:
            yield tuple(str(value) for value in row)
