"""The time of a wallet's history page, read as the pages read it.

Owns the measurement of `reading.statement` on one database after the other. Must not know how a
page is read. Invariant: databases that are compared take turns, so that a busy moment meets both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from largesse.adapters.postgres import checks, reading
from largesse.money.ids import HolderId
from largesse.simulator.bench.ledgers import BooksDisagree

PAGE = 50
_TURNS = 3
_READS = 60
_WARMING_READS = 10


def page_times_ms(
    urls: Mapping[str, str], fans: Mapping[str, HolderId]
) -> dict[str, dict[str, float]]:
    """Return the median time of a fan's newest page, in milliseconds, by database and fan."""
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(_TURNS):
        for ledger, url in urls.items():
            use_database(url)
            for name, fan in fans.items():
                found = [_read_ms(fan) for _ in range(_WARMING_READS + _READS)]
                times.setdefault((ledger, name), []).extend(found[_WARMING_READS:])
    connection.close()
    return {
        ledger: {name: statistics.median(times[ledger, name]) for name in fans} for ledger in urls
    }


def _read_ms(fan: HolderId) -> float:
    begin = time.perf_counter()
    page = reading.statement(fan, PAGE)
    elapsed = time.perf_counter() - begin
    assert page.entries, "the fan has history in every ledger"
    return 1000 * elapsed


def use_database(url: str) -> None:
    """Let Django's connection lead to another database of the same server."""
    connection.close()
    connection.settings_dict["NAME"] = str(conninfo_to_dict(url)["dbname"])


def check_books(url: str) -> None:
    """Run every check of the product; raises BooksDisagree with the first breaks."""
    use_database(url)
    with connection.cursor() as cursor:
        cursor.execute("SET work_mem = '256MB'")
    findings = checks.run_checks()
    connection.close()
    if findings:
        shown = "; ".join(f"{one.invariant} {one.account}: {one.message}" for one in findings[:3])
        raise BooksDisagree(f"{len(findings)} breaks in the books: {shown}")
