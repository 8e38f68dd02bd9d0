"""A ledger of committed rows, driven through either executor, for tests.

Owns the two drivers, keys and times that repeat, and the emptying of the tables. Must not know what
is asserted. Protects one invariant: both drivers run the same statements that the product runs.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

import pytest
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from largesse.adapters.postgres import async_book, statements
from largesse.adapters.postgres import book as django_book
from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.rollup import RollUp, roll_up
from largesse.adapters.postgres.statements import Steps
from largesse.earnings.rules import SharePolicy
from largesse.ledger import rules
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.ledger.journals import Journal
from largesse.ledger.ports import Posted, WalletState
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, RoomId, keyed_id, uuid7

T = TypeVar("T")

COMMITTED = pytest.mark.django_db(transaction=True, available_apps=["largesse.adapters.postgres"])
"""Marks tests whose rows are committed. The ledger's app has no models, so Django empties nothing:
`empty_ledger` does."""

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
POLICY = SharePolicy(1, "tests-1", 5000, 14, "USD", 15_000, 1000, 500)
SECOND_POLICY = SharePolicy(2, "tests-2", 3333, 1, "USD", 15_000, 1000, 500)
POLICIES = {1: POLICY, 2: SECOND_POLICY}
ROOM = RoomId(9_000_001)


class Driver(Protocol):
    """Posts and reads, each call in a transaction of its own."""

    def post(self, journals: Sequence[Journal]) -> list[Posted]: ...

    def post_gifts(self, gifts: Sequence[GiftPosting]) -> list[GiftResult]: ...

    def wallet(self, holder: HolderId) -> WalletState: ...

    def run(self, steps: Steps[T]) -> T: ...


class DjangoDriver:
    """The executor on Django's connection."""

    def post(self, journals: Sequence[Journal]) -> list[Posted]:
        with transaction.atomic():
            return DjangoBook().post(journals)

    def post_gifts(self, gifts: Sequence[GiftPosting]) -> list[GiftResult]:
        with transaction.atomic():
            return django_book.run(statements.post_gifts(gifts))

    def wallet(self, holder: HolderId) -> WalletState:
        return DjangoBook().wallet(holder)

    def run(self, steps: Steps[T]) -> T:
        with transaction.atomic():
            return django_book.run(steps)


class AsyncDriver:
    """The executor on psycopg's async connections, driven from a synchronous test."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.pool = open_pool(database_url(), size=2)
        self.book = AsyncBook(self.pool)
        self.runner.run(self.pool.open())

    def close(self) -> None:
        self.runner.run(self.pool.close())
        self.runner.close()

    def post(self, journals: Sequence[Journal]) -> list[Posted]:
        return self.runner.run(self.book.post(journals))

    def post_gifts(self, gifts: Sequence[GiftPosting]) -> list[GiftResult]:
        return self.runner.run(self.book.post_gifts(gifts))

    def wallet(self, holder: HolderId) -> WalletState:
        return self.runner.run(self.book.wallet(holder))

    def run(self, steps: Steps[T]) -> T:
        return self.runner.run(self._run(steps))

    async def _run(self, steps: Steps[T]) -> T:
        async with self.book.connection() as connected, connected.transaction():
            return await async_book.run(connected, steps)


def database_url() -> str:
    """The address of the tests' database, for connections that are not Django's."""
    settings = connection.settings_dict
    words = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    known = {word: settings[name] for word, name in words.items() if settings.get(name)}
    return make_conninfo("", dbname=settings["NAME"], **known)


def empty_ledger() -> None:
    """Leave the ledger as its migration made it; no other table is touched."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM ledger_wallet; DELETE FROM ledger_account; DELETE FROM ledger_journal;"
            "DELETE FROM ledger_transfer; DELETE FROM ledger_lot; DELETE FROM ledger_void;"
            "DELETE FROM ledger_gift; DELETE FROM ledger_earner; DELETE FROM ledger_earning;"
            "DELETE FROM ledger_tick; DELETE FROM ledger_maturing;"
            "DELETE FROM ledger_expiring; DELETE FROM ledger_spend_order;"
            "DELETE FROM ledger_pending; DELETE FROM ledger_reserved; DELETE FROM ledger_freeze;"
            "DELETE FROM ledger_pending; DELETE FROM ledger_reserved; DELETE FROM ledger_freeze;"
            "DELETE FROM ledger_log_range; DELETE FROM ledger_log_tile;"
            "DELETE FROM ledger_log_reference; DELETE FROM ledger_log_checkpoint;"
            "UPDATE ledger_log SET size = 0, edge = '', origin = NULL, key_check = NULL, "
            "seen = array_fill(0::bigint, ARRAY[128]) WHERE origin IS NOT NULL;"
            "UPDATE ledger_bucket SET last_seq = 0, gift_clearing = 0, closed_seq = 0 "
            "WHERE last_seq <> 0 OR gift_clearing <> 0 OR closed_seq <> 0;"
            "UPDATE ledger_rollup SET tick = 0, seen = array_fill(0::bigint, ARRAY[64]) "
            "WHERE tick <> 0 OR seen <> array_fill(0::bigint, ARRAY[64]);"
        )


@contextmanager
def known_policies() -> Iterator[None]:
    """Keep POLICIES where the checks look them up; what was there before stays."""
    added = [
        row[0]
        for terms in POLICIES.values()
        for row in rows(
            "INSERT INTO earnings_sharepolicy (number, version, share_bp, hold_days, currency, "
            "coin_gross_micro, tax_bp, fee_bp, effective_at, created_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING "
            "RETURNING number",
            *astuple(terms),
            START,
            START,
        )
    ]
    yield
    rows("DELETE FROM earnings_sharepolicy WHERE number = ANY (%s)", added)


def rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """What a query of the test finds, on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return found


def key(name: str, at: datetime = START) -> UUID:
    """The same UUIDv7 for the same name and time."""
    return uuid7(int(at.timestamp()) * 1000, hashlib.sha256(name.encode()).digest())


def usd(minor: int) -> Amount:
    return Amount(minor, asset("USD"))


def recharge(
    name: str,
    fan: int,
    coins: int,
    price: Amount | None = None,
    tax: Amount | None = None,
    at: datetime = START,
) -> Journal:
    """A recharge; without a price it costs two cents a coin, a tenth of it tax."""
    gross = price or usd(2 * coins)
    payment = rules.Payment(gross, tax or Amount(gross.minor // 10, gross.asset), "web", name)
    return rules.recharge_captured(key(name), at, HolderId(fan), coins, payment)


def bonus(name: str, fan: int, coins: int, at: datetime = START) -> Journal:
    return rules.bonus_granted(key(name), at, HolderId(fan), coins, name)


def gift(
    name: str, fan: int, coins: int, *, creator: int = 1001, count: int = 1, minutes: int = 0
) -> GiftPosting:
    """A gift whose key is derived from its name, as the live service derives it."""
    return GiftPosting(
        keyed_id(fan, key(name)),
        HolderId(fan),
        HolderId(creator),
        ROOM,
        7,
        count,
        coins,
        1,
        0,
        START + timedelta(minutes=minutes),
    )


def roll_up_now(at: datetime = START) -> RollUp | None:
    """One roll-up in a transaction of its own."""
    with transaction.atomic():
        return django_book.run(roll_up(at, POLICIES))
