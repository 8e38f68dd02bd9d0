"""The book on psycopg's async connections: the live path and replays.

Owns the asynchronous executor and its transactions. Must not import Django, and must not decide
anything: `statements` does. Invariant: a posting that returned is committed.
"""

from __future__ import annotations

import select
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from largesse.adapters.postgres import holding, linked, statements
from largesse.adapters.postgres.statements import Query, Steps
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.ledger.holds import Held, Hold
from largesse.ledger.journals import Journal
from largesse.ledger.ports import Posted, WalletState
from largesse.money.errors import DomainError, TransientError
from largesse.money.ids import HolderId

T = TypeVar("T")
Connection = psycopg.AsyncConnection[tuple[object, ...]]
Pool = AsyncConnectionPool[Connection]


def open_pool(url: str, *, size: int = 4) -> Pool:
    """Make a pool of autocommit connections; the caller opens and closes it.

    Custom plans only: a generic plan for the batch functions cost 3.5 times.
    """
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        open=False,
        timeout=5,
        kwargs={"autocommit": True, "options": "-c plan_cache_mode=force_custom_plan"},
        check=_check,
    )


async def _check(connection: Connection) -> None:
    """Have the pool replace a connection that its server ended.

    Such a connection has something to read while nobody asked. One without is not asked: that took
    a lone gift a round trip more.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def run(connection: Connection, steps: Steps[T]) -> T:
    """Run a conversation on a connection, in whatever transaction it is.

    Raises psycopg's errors, which `AsyncBook.connection` translates. A conversation may catch a
    refusal and go on, behind a savepoint of its own.
    """
    try:
        query = next(steps)
        while True:
            try:
                cursor = await connection.execute(query.sql, query.params, prepare=True)
                rows = await cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                query = _told(steps, error)
            else:
                query = steps.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result


def _told(steps: Steps[T], error: psycopg.Error) -> Query:
    """Tell a conversation what its statement was refused for; the error goes on unless caught."""
    found = _refusal(error)
    if found is None:
        raise error
    try:
        return steps.throw(found)
    except DomainError as thrown:
        if thrown is found:
            raise error from None
        raise


def _refusal(error: psycopg.Error) -> DomainError | None:
    """What a database error means, as `statements.refusal` says; None for a bug of ours."""
    is_lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if error.sqlstate is None and not is_lost:
        return None
    return statements.refusal(error.sqlstate, error.diag.constraint_name, str(error))


class AsyncBook:
    """Posts on pooled connections; each call is one committed transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; database refusals come out as domain errors."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise TransientError("The database cannot be reached. Try again soon.") from error
        except psycopg.Error as error:
            found = _refusal(error)
            if found is None:
                raise
            raise found from error

    async def post_gifts(self, gifts: Sequence[GiftPosting]) -> list[GiftResult]:
        """Post a batch of gifts in one transaction and one round trip; returns after commit."""
        async with self.connection() as connection:
            return await run(connection, statements.post_gifts(gifts))

    async def post(self, journals: Sequence[Journal]) -> list[Posted]:
        """Post journals in one transaction; see `ledger.ports.Book.post`."""
        return await self._write(statements.post_journals(journals))

    async def post_linked(self, journals: Sequence[Journal]) -> list[Posted | DomainError]:
        """Post chains of journals in one transaction; see `ledger.ports.Book.post_linked`."""
        return await self._write(linked.post_linked(journals))

    async def hold(self, journal: Journal, reason: str, expires_at: datetime) -> Held:
        """Make a journal pending; see `ledger.ports.Book.hold`."""
        return await self._write(holding.hold_journal(Hold(journal, reason, expires_at)))

    async def post_hold(self, bucket: int, key: UUID, at: datetime) -> Posted:
        """Post a pending journal; see `ledger.ports.Book.post_hold`."""
        return await self._write(holding.post_hold(bucket, key, at))

    async def void_hold(self, bucket: int, key: UUID, at: datetime) -> Held:
        """Void a pending journal; see `ledger.ports.Book.void_hold`."""
        return (await self._write(holding.void_holds([(bucket, key)], at)))[0]

    async def _write(self, steps: Steps[T]) -> T:
        async with self.connection() as connection, connection.transaction():
            return await run(connection, steps)

    async def wallet(self, holder: HolderId) -> WalletState:
        """Return a fan's coins as they stand."""
        async with self.connection() as connection:
            return await run(connection, statements.read_wallet(holder, lock=False))
