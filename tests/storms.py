"""Storms: many at once on one thing that can be had only so often.

Owns how they are raised, on connections and on threads, and how long. Must not know what is had.
Protects one invariant: everybody starts together, and every way in which one ended is counted.

Five rounds of 1,600 gifts each. Journals cost some five times a gift: 1,600 over the five rounds. A
hundred rounds, and 1,600 of everything in each, with `--hypothesis-profile=nightly`; one round with
`brief`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection
from hypothesis import settings

from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.money.errors import DomainError
from tests.adapters.postgres.ledger_world import database_url

CONNECTIONS = 32
REQUESTS = 1_600

Attempt = Callable[[AsyncBook], Awaitable[str]]


_ROUNDS = {"nightly": 100, "brief": 1}


def _profile() -> str:
    return str(settings.get_current_profile_name())


def rounds() -> range:
    """The rounds of this run."""
    return range(_ROUNDS.get(_profile(), 5))


def journals() -> int:
    """How many journals a round of this run posts."""
    return REQUESTS if _profile() == "nightly" else REQUESTS // 5


def storm(make: Callable[[int], Sequence[Attempt]]) -> list[Counter[str]]:
    """Make the attempts of each round at once, over 32 connections; count what became of them.

    A refusal counts under its code; any other exception ends the test.
    """

    async def ending(attempt: Attempt, book: AsyncBook) -> str:
        try:
            return await attempt(book)
        except DomainError as refusal:
            return refusal.code

    async def make_all() -> list[Counter[str]]:
        pool = open_pool(database_url(), size=CONNECTIONS)
        pool.timeout = 60
        await pool.open()
        await pool.resize(CONNECTIONS, CONNECTIONS)
        await pool.wait()
        try:
            book = AsyncBook(pool)
            return [
                Counter(await asyncio.gather(*(ending(attempt, book) for attempt in make(number))))
                for number in rounds()
            ]
        finally:
            await pool.close()

    return asyncio.run(make_all())


def thread_storm(work: Callable[[int], str], requests: int) -> Counter[str]:
    """Do the work so many times on 32 threads that start together, each on its own connection."""
    barrier = Barrier(CONNECTIONS)

    def run(thread: int) -> list[str]:
        try:
            barrier.wait(30)
            return [ending(number) for number in range(thread, requests, CONNECTIONS)]
        finally:
            connection.close()

    def ending(number: int) -> str:
        try:
            return work(number)
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return Counter(name for names in pool.map(run, range(CONNECTIONS)) for name in names)
