"""An experiment: gifts in one table, or in partitions by the time in their keys.

Owns the two tables, the same rows in both, and what is asked of them. Must not know columns beyond
the keys: the rows are those that the ledger posted. Invariant: the tables take turns at everything,
and hold the same rows at the end.

    .venv/bin/python bench/partitions.py [--rows 5M] [--json] [--data DIR]

One table has the ledger's keys, (bucket, seq) and (bucket, id). The other is partitioned by range
of `id`, a UUIDv7, into 24 months; there a unique key must hold the partition's column, so that its
keys are (bucket, seq, id) and (bucket, id): that a sequence has no double is no longer the
database's promise. The rows are spread over the two years in the order of their time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import psycopg

from largesse.commands.bench import fresh_ledger
from largesse.commands.printing import progress
from largesse.simulator.bench import ledgers

TABLES = ("one_table", "partitioned")
MONTHS = 24
BATCH = 2_000
BATCHES = 60
LONE_ROWS = 600
LOOK_UPS = 3_000
CHAINS = 600
CHAIN_STEPS = 50
_FILL_ROWS = 200_000
_TURN = 20
"""Operations on one table before the other has its turn."""

_SCHEMA = """
    CREATE TABLE one_table (LIKE ledger_gift INCLUDING ALL);
    CREATE TABLE partitioned (LIKE ledger_gift INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
        PARTITION BY RANGE (id);
    CREATE TABLE held (LIKE ledger_gift, number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)
"""

# A page of history as `reading` asks for it: each gift names the fan's one before.
_CHAIN = """
    WITH RECURSIVE chain AS (
        SELECT g.* FROM {table} g WHERE g.bucket = %s AND g.seq = %s
        UNION ALL
        SELECT g.* FROM chain c JOIN {table} g ON g.bucket = c.bucket AND g.seq = c.prev_seq
        WHERE c.prev_seq > 0
    )
    SELECT seq, coins FROM chain LIMIT %s
"""


@dataclass(frozen=True)
class Operation:
    """What one operation took: medians in milliseconds, and the ratio to one table."""

    operation: str
    one_table_ms: float
    partitioned_ms: float
    ratio: float


class Tables:
    """Both tables on one connection, with the live path's settings."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(
            url, autocommit=True, options="-c plan_cache_mode=force_custom_plan"
        )
        self._run = self.connection.execute
        self._columns = ""

    def make(self) -> None:
        """Make both tables and the months."""
        self._run(_SCHEMA)
        month_ms = ledgers.HISTORY_MS // MONTHS
        bounds = [_first_id(ledgers.FIRST_MS + month * month_ms) for month in range(MONTHS)]
        # What is older or newer than the history goes into the first and the last.
        ends = [*bounds[1:], _first_id(2**48 - 1)]
        starts = [_first_id(0), *bounds[1:]]
        for month, (start, end) in enumerate(zip(starts, ends, strict=True)):
            self._run(
                f"CREATE TABLE month_{month:02} PARTITION OF partitioned "
                f"FOR VALUES FROM ('{start}') TO ('{end}')"
            )
        self._run("ALTER TABLE partitioned ADD PRIMARY KEY (bucket, seq, id)")
        self._run("ALTER TABLE partitioned ADD UNIQUE (bucket, id)")
        found = self._run("SELECT * FROM ledger_gift LIMIT 0").description or []
        self._columns = ", ".join(column.name for column in found)

    def fill(self, held: int, advance: Callable[[int], None]) -> None:
        """Copy what the ledger posted, in the order of time; the newest are held back."""
        self._run(
            f"INSERT INTO held ({self._columns}) SELECT * FROM ledger_gift "
            f"ORDER BY id DESC LIMIT {held}"
        )
        (first,) = self._run("SELECT id FROM held ORDER BY id LIMIT 1").fetchone() or (None,)
        pages = self._run("SELECT pg_relation_size('ledger_gift') / 8192").fetchone()
        step = max(1, _FILL_ROWS // 60)
        for page in range(0, int(pages[0]) + 1 if pages else 1, step):
            for table in TABLES:
                self._run(
                    f"INSERT INTO {table} SELECT * FROM ledger_gift "
                    f"WHERE ctid >= '({page},0)' AND ctid < '({page + step},0)' AND id < %s",
                    (first,),
                )
            advance(step)
        self._run("TRUNCATE ledger_gift")
        self._run("VACUUM (ANALYZE) one_table, partitioned, held")
        self._run("CHECKPOINT")

    def rows_and_bytes(self) -> dict[str, tuple[int, int]]:
        """Return how many rows each table holds, and its bytes a row with indexes."""
        found = {}
        for table in TABLES:
            row = self._run(
                f"SELECT count(*), coalesce((SELECT sum(pg_total_relation_size(relid)) "
                f"FROM pg_partition_tree('{table}')), pg_total_relation_size('{table}')) "
                f"FROM {table}"
            ).fetchone()
            assert row is not None, "an aggregate returns one row"
            found[table] = int(row[0]), round(int(row[1]) / int(row[0]))
        return found

    def keys(self, number: int) -> list[tuple[int, int, UUID]]:
        """Return bucket, seq and id of some rows, drawn over the whole history."""
        return self._run(
            "SELECT bucket, seq, id FROM one_table TABLESAMPLE SYSTEM (2) REPEATABLE (7) "
            f"ORDER BY hashint8(seq) LIMIT {number}"
        ).fetchall()

    def insert_batch(self, table: str, number: int, rows: int) -> None:
        """Insert some of the rows that were held back, in one transaction."""
        self._run(
            f"INSERT INTO {table} SELECT {self._columns} FROM held "
            "WHERE number > %s AND number <= %s ORDER BY bucket, seq",
            (number, number + rows),
            prepare=True,
        )

    def find_by_id(self, table: str, key: tuple[int, int, UUID]) -> None:
        """Look a gift up as a replay does."""
        row = self._run(
            f"SELECT seq FROM {table} WHERE bucket = %s AND id = %s",
            (key[0], key[2]),
            prepare=True,
        ).fetchone()
        assert row is not None, "the key was drawn from the table"

    def find_batch(self, table: str, keys: list[tuple[int, int, UUID]]) -> None:
        """Look up a batch of ids in one statement."""
        self._run(
            f"SELECT count(o.seq) FROM unnest(%s::smallint[], %s::uuid[]) i (bucket, id) "
            f"JOIN {table} o ON o.bucket = i.bucket AND o.id = i.id",
            ([key[0] for key in keys], [key[2] for key in keys]),
            prepare=True,
        )

    def chain(self, table: str, key: tuple[int, int, UUID]) -> None:
        """Read a page of history by its chain."""
        self._run(
            _CHAIN.format(table=table), (key[0], key[1], CHAIN_STEPS), prepare=True
        ).fetchall()


def _first_id(ms: int) -> UUID:
    return UUID(int=ms << 80)


def in_turns(name: str, times: int, run: Callable[[str, int], None]) -> Operation:
    """Time `run(table, number)` for numbers from 0, the tables in turns."""
    found: dict[str, list[float]] = {table: [] for table in TABLES}
    for start in range(0, times, _TURN):
        for table in TABLES:
            for number in range(start, min(start + _TURN, times)):
                begin = time.perf_counter()
                run(table, number)
                found[table].append(1_000 * (time.perf_counter() - begin))
    # The first turn warms plans and pages.
    one, parted = (statistics.median(found[table][_TURN:]) for table in TABLES)
    return Operation(name, round(one, 4), round(parted, 4), round(parted / one, 2))


def measure(tables: Tables) -> list[Operation]:
    """Run every operation on both tables."""
    keys = tables.keys(LOOK_UPS)
    lone_from = BATCHES * BATCH
    return [
        in_turns(
            f"insert of {BATCH:,} rows",
            BATCHES,
            lambda table, n: tables.insert_batch(table, n * BATCH, BATCH),
        ),
        in_turns(
            "insert of one row",
            LONE_ROWS,
            lambda table, n: tables.insert_batch(table, lone_from + n, 1),
        ),
        in_turns(
            "look-up by (bucket, id)",
            LOOK_UPS,
            lambda table, n: tables.find_by_id(table, keys[n % len(keys)]),
        ),
        in_turns(
            f"look-up of {BATCH:,} by (bucket, id)",
            3 * _TURN,
            lambda table, n: tables.find_batch(table, keys[:BATCH]),
        ),
        in_turns(
            f"history: {CHAIN_STEPS} steps by (bucket, seq)",
            CHAINS,
            lambda table, n: tables.chain(table, keys[n % len(keys)]),
        ),
    ]


@contextmanager
def filled(rows: int, data: Path | None) -> Iterator[Tables]:
    """Post so many gifts through the ledger and copy them into both tables."""
    held = BATCHES * BATCH + LONE_ROWS
    total = rows + held + held % 2
    with fresh_ledger(data) as url:
        # It needs Django, which the fresh ledger has loaded.
        from largesse.simulator.bench.course import make_world

        make_world(url)
        with progress("Posting gifts", total) as advance:
            ledgers.preload(url, 0, total, history=total, advance=advance)
        tables = Tables(url)
        try:
            tables.make()
            with progress("Copying them into both", total // 60) as advance:
                tables.fill(held, advance)
            yield tables
        finally:
            tables.connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default="5M", help="gifts in each table (5M); 20M takes 20 GB")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--data", type=Path, help="a directory on the disk to be measured")
    options = parser.parse_args()
    rows = int(options.rows.upper().replace("M", "000000"))
    with filled(rows, options.data) as tables:
        before = tables.rows_and_bytes()
        operations = measure(tables)
        after = tables.rows_and_bytes()
    if after["one_table"][0] != after["partitioned"][0]:
        sys.exit(f"The tables do not hold the same rows: {after}.")
    document = {
        "rows": before["one_table"][0],
        "months": MONTHS,
        "load_average": round(os.getloadavg()[0], 1),
        "bytes_a_row": {table: size for table, (_, size) in before.items()},
        "operations": [asdict(one) for one in operations],
    }
    if options.json:
        print(json.dumps(document))
        return
    print(f"{document['rows']:,} rows, {MONTHS} months; bytes a row: {document['bytes_a_row']}\n")
    print("| operation | one table, ms | partitioned, ms | ratio |\n|---|---:|---:|---:|")
    for one in operations:
        print(
            f"| {one.operation} | {one.one_table_ms:.3f} | {one.partitioned_ms:.3f} "
            f"| {one.ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
