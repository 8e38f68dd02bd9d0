"""The course of a benchmark, from an empty ledger to the report.

Owns the world that every part starts from, and the order of the parts. Must not know how anything
is measured. Invariant: the books of every ledger are counted before there is a report.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from largesse.adapters import clock
from largesse.money.ids import HolderId
from largesse.simulator.bench import ledgers, peers
from largesse.simulator.bench.comparison import Comparison
from largesse.simulator.bench.engine import Engine
from largesse.simulator.bench.gifts import FIRST_FAN, QUIET_FAN, GiftMaker
from largesse.simulator.bench.growth import Growth
from largesse.simulator.bench.live import live_megabytes
from largesse.simulator.bench.plan import HISTORY, Options, Part, Progress
from largesse.simulator.bench.report import Report

_ENGINE = "engine"
"""The database of the posting engine, whose rows some peers store again."""


def run(world_url: str, options: Options, progress: Progress) -> Report:
    """Run the chosen parts on the server of a prepared, empty ledger; return what was found.

    Raises BooksDisagree, PeerFailed and LiveFailed: then there is no report.
    """
    report = Report(_machine(world_url, options))
    engine_url = ledgers.database(world_url, _ENGINE)
    with peers.Company(_kinds(options), world_url=world_url, engine_url=engine_url) as company:
        company.start_strangers()
        make_world(world_url)
        if {Part.SENDERS, Part.PEERS, Part.PROCESSES} & set(options.parts):
            with _copied(world_url, _ENGINE) as url:
                # Some of them look at the engine's tables as soon as they start.
                company.start_kin()
                Comparison(url, company, options, progress, report).run()
    if Part.GROWTH in options.parts and options.sizes:
        with _copied(world_url, "empty") as empty, _copied(world_url, "grown") as grown:
            Growth(empty, grown, options, progress, report).run()
    if Part.LIVE in options.parts:
        with _copied(world_url, "live") as url, progress("A live process", 1) as advance:
            report.live_mb = live_megabytes(url)
            advance(1)
    return report


def _kinds(options: Options) -> tuple[peers.Kind, ...]:
    if Part.PEERS not in options.parts:
        return ()
    return peers.QUICK if options.is_quick else peers.ALL


def _machine(url: str, options: Options) -> dict[str, object]:
    with psycopg.connect(url) as connection:
        version = connection.info.server_version
    return {
        "at": clock.now().strftime("%Y-%m-%d %H:%M UTC"),
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "postgresql": version // 10_000,
        "fsync": True,
        "load_average": round(os.getloadavg()[0], 1),
        "seconds": options.seconds,
        "rounds": options.rounds,
    }


def make_world(url: str) -> None:
    """Give every fan coins, and two of them the history whose pages are read."""
    with Engine(url) as engine:
        engine.recharge([HolderId(fan) for fan in range(FIRST_FAN, QUIET_FAN + 1)])
        maker = GiftMaker(0)
        for fan, gifts in HISTORY.items():
            engine.post(maker.gifts_of(fan, gifts))
    ledgers.settle(url)


@contextmanager
def _copied(world_url: str, name: str) -> Iterator[str]:
    """Copy the world for as long as the block lasts."""
    url = ledgers.create_database(world_url, name, template=ledgers.name_of(world_url))
    try:
        yield url
    finally:
        ledgers.drop_database(world_url, name)
