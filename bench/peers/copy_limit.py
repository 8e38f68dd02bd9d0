"""Durable COPY of the rows that the engine stored: the limit of what this server can take.

Owns a table with the ledger's columns and indexes that is filled 2,000 rows a transaction, in the
order and with the bytes that the engine wrote. Must not decide anything. Invariant: every row that
is counted was committed, with the same durability as the engine's.
"""

from __future__ import annotations

import time

import psycopg

from bench.peers import rows
from bench.peers.protocol import Counted, serve, share_out

_BLOCK_ROWS = 2_000
_FASTEST = 500_000
"""Rows a second that are read out of the engine's database before the clock starts."""


class CopyLimit:
    """COPY in binary form; `connections` share the blocks."""

    def __init__(self, url: str, engine_url: str) -> None:
        self._url = url
        self._engine_url = engine_url
        self._given = 0
        rows.make_table(url)

    def round(self, seconds: float, connections: int) -> Counted:
        """Run one round into the emptied table; it ends early when the engine's rows are through.

        A latency is that of a transaction.
        """
        blocks = rows.copy_blocks(self._engine_url, int(_FASTEST * seconds), _BLOCK_ROWS)
        with psycopg.connect(self._url, autocommit=True) as connection:
            self._given += rows.count(self._url)
            connection.execute("TRUNCATE copied_gift")
        supply = iter(blocks)

        def give(connection: psycopg.Connection, end: float) -> list[float]:
            latencies = []
            for block in supply:
                asked = time.perf_counter()
                if asked >= end:
                    break
                with connection.cursor().copy("COPY copied_gift FROM STDIN (FORMAT BINARY)") as to:
                    to.write(block)
                latencies.append(time.perf_counter() - asked)
            return latencies

        workers = [psycopg.connect(self._url, autocommit=True) for _ in range(connections)]
        try:
            counted = share_out(workers, give, seconds)
        finally:
            for worker in workers:
                worker.close()
        return Counted(counted.gifts * _BLOCK_ROWS, counted.seconds, counted.latencies)

    def check(self) -> int:
        """Return the rows of all rounds; see `Peer.check`."""
        return self._given + rows.count(self._url)


if __name__ == "__main__":
    serve(CopyLimit)
