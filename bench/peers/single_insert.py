"""One plain INSERT of a gift's row per transaction: what a lone gift is compared with.

Owns a table with the ledger's columns and indexes, and nothing of its rules: no wallet, no lane, no
replay. Must not know how the engine posts. Invariant: every row that is counted was committed.
"""

from __future__ import annotations

import time

import psycopg

from bench.peers import rows
from bench.peers.protocol import Counted, serve, share_out

_FASTEST_SENDER = 3_000
"""Rows a second and connection that are made before the clock starts."""


class SingleInsert:
    """Senders that insert one row at a time, each over its own connection."""

    def __init__(self, url: str, engine_url: str) -> None:
        self._url = url
        self._engine_url = engine_url
        self._used = 0
        rows.make_table(url)
        self._insert = rows.insert_statement(engine_url)
        self._connections: list[psycopg.Connection] = []

    def round(self, seconds: float, connections: int) -> Counted:
        """Run one round; see `Peer.round`."""
        while len(self._connections) < connections:
            self._connections.append(psycopg.connect(self._url, autocommit=True))
        wanted = int(_FASTEST_SENDER * seconds * connections)
        supply = iter(list(rows.insert_values(self._engine_url, wanted, self._used)))
        self._used += wanted

        def give(connection: psycopg.Connection, end: float) -> list[float]:
            latencies = []
            for row in supply:
                asked = time.perf_counter()
                if asked >= end:
                    break
                connection.execute(self._insert, row, prepare=True)
                latencies.append(time.perf_counter() - asked)
            return latencies

        return share_out(self._connections[:connections], give, seconds)

    def check(self) -> int:
        """Return the rows that the table holds; see `Peer.check`."""
        return rows.count(self._url)


if __name__ == "__main__":
    serve(SingleInsert)
