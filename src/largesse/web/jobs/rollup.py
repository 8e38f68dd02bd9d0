"""The roll-up loop: creators are credited a moment after the room has seen the gift.

Owns its rhythm and its connection. Must not know what a roll-up does. Invariant: each tick is one
transaction; a tick that is cut credits nothing, and the next one credits it all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import psycopg
from django.db import connection

from largesse.adapters import clock
from largesse.adapters.postgres import async_book
from largesse.adapters.postgres.rollup import RollUp, roll_up
from largesse.earnings.rules import SharePolicy
from largesse.earnings.selectors import policies
from largesse.money.errors import TransientError

_log = logging.getLogger(__name__)
TICK_SECONDS = 0.4
_LONGEST_PAUSE_SECONDS = 10.0


class RollUpLoop:
    """Rolls up at every tick, in a process that has one event loop; policies are read as needed."""

    def __init__(self, database_url: str, *, is_sandbox: bool) -> None:
        self.ticked = asyncio.Event()
        """Set after the first tick: the database was reached."""
        self._url = database_url
        self._is_sandbox = is_sandbox
        self._offset_seconds = 0
        self._clock = clock.Clock(lambda: self._offset_seconds)
        self._policies: Mapping[int, SharePolicy] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Tick until `stopping` is set; a database that gives way is waited for."""
        pool = async_book.open_pool(self._url, size=1)
        await pool.open()
        book = async_book.AsyncBook(pool)
        pause = TICK_SECONDS
        try:
            while not stopping.is_set():
                try:
                    await self.tick(book)
                    self.ticked.set()
                    pause = TICK_SECONDS
                except (TransientError, psycopg.Error) as error:
                    _log.warning("A roll-up waits for the database: %s", error)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                await _wait(stopping, pause)
        finally:
            await pool.close()

    async def tick(self, book: async_book.AsyncBook) -> RollUp | None:
        """Credit what was committed since the last tick, in one transaction."""
        try:
            return await self._roll_up(book)
        except KeyError:
            # A gift names a policy that was published since the last look.
            self._policies = await asyncio.to_thread(_read_policies)
            return await self._roll_up(book)

    async def _roll_up(self, book: async_book.AsyncBook) -> RollUp | None:
        async with book.connection() as lent:
            if self._is_sandbox:
                cursor = await lent.execute(clock.READ_OFFSET_SQL)
                row = await cursor.fetchone()
                assert row is not None, "the statement returns one row"
                self._offset_seconds = int(str(row[0]))
                self._clock.forget_offset()
            async with lent.transaction():
                steps = roll_up(self._clock.now(), self._policies)
                return await async_book.run(lent, steps)


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


def _read_policies() -> Mapping[int, SharePolicy]:
    # The thread is a passing one, and so is its connection.
    try:
        return {policy.number: policy for policy in policies()}
    finally:
        connection.close()
