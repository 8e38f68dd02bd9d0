"""The sandbox's records in PostgreSQL.

Owns its statements. Must not know HTTP or the product's tables. Invariant: what a payer did and the
notification about it are written in one transaction; a key is used once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import resources
from typing import Any, LiteralString, TypeVar
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row, dict_row
from psycopg_pool import AsyncConnectionPool

from largesse.simulator.sandbox import rules
from largesse.simulator.sandbox.wire import CheckoutWish, Problem, RefundWish, TransferWish

_LOCK = 7_246_351_902_116_385_021
"""An advisory lock: of two sandboxes that start together, one makes the tables."""

R = TypeVar("R")
Pool = AsyncConnectionPool[AsyncConnection[DictRow]]


@dataclass(frozen=True, slots=True)
class CheckoutRow:
    """A checkout as it is stored."""

    id: str
    key: UUID
    reference: str
    amount_minor: int
    currency: str
    description: str
    return_url: str
    status: str
    charge_id: str | None
    decline_code: str | None
    created_at: datetime
    expires_at: datetime
    confirm_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransferRow:
    """A transfer as it is stored; `outcome` is decided but not told before `decided_at`."""

    id: str
    key: UUID
    payout: str
    amount_minor: int
    currency: str
    destination: str
    status: str
    outcome: str
    reason: str | None
    created_at: datetime
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refund as it is stored."""

    id: str
    key: UUID
    charge_id: str
    amount_minor: int
    currency: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A notification to send now."""

    id: str
    body: str
    attempts: int


class Records:
    """The sandbox's memory. `new_id` makes an id with a prefix; `now` reads the time."""

    def __init__(
        self, pool: Pool, *, now: Callable[[], datetime], new_id: Callable[[str], str]
    ) -> None:
        self._pool = pool
        self._now = now
        self._new_id = new_id

    async def create_schema(self) -> None:
        """Make the tables that are missing."""
        sql = resources.files(__package__).joinpath("schema.sql").read_bytes()
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            await connection.execute(sql)

    async def open_checkout(self, wish: CheckoutWish, key: UUID) -> CheckoutRow:
        """Return the checkout of this key, made now if it is new; raises Problem 409."""
        now = self._now()
        facts = {
            "key": key,
            "reference": wish.order,
            "amount_minor": wish.amount_minor,
            "currency": wish.currency,
            "description": wish.description,
            "return_url": wish.return_url,
        }
        made = {
            "id": self._new_id("chk"),
            "created_at": now,
            "expires_at": now + rules.CHECKOUT_LIFETIME,
        }
        insert: LiteralString = """
            INSERT INTO sandbox_checkout (id, key, reference, amount_minor, currency, description,
                                          return_url, created_at, expires_at)
            VALUES (%(id)s, %(key)s, %(reference)s, %(amount_minor)s, %(currency)s,
                    %(description)s, %(return_url)s, %(created_at)s, %(expires_at)s)
            ON CONFLICT (key) DO NOTHING
        """
        async with self._pool.connection() as connection:
            await connection.execute(insert, facts | made)
            row = await _one(
                connection, CheckoutRow, "SELECT * FROM sandbox_checkout WHERE key = %s", key
            )
        assert row is not None, "the key was inserted or stood there"
        _require_same(row, facts)
        return row

    async def checkout(self, checkout_id: str) -> CheckoutRow | None:
        """Return a checkout, or None."""
        async with self._pool.connection() as connection:
            return await _one(
                connection, CheckoutRow, "SELECT * FROM sandbox_checkout WHERE id = %s", checkout_id
            )

    async def pay(self, checkout_id: str) -> None:
        """The payer pays and the bank agrees at once; nothing happens on a closed checkout."""
        await self._decide(
            """
            UPDATE sandbox_checkout
            SET status = 'captured', charge_id = replace(id, 'chk_', 'chg_')
            WHERE id = %(id)s AND status = 'open' RETURNING id, reference, status
            """,
            {"id": checkout_id},
        )

    async def pay_later(self, checkout_id: str, confirm_at: datetime) -> None:
        """The payer agrees; the bank confirms at `confirm_at`."""
        await self._decide(
            """
            UPDATE sandbox_checkout SET status = 'pending', confirm_at = %(at)s
            WHERE id = %(id)s AND status = 'open' RETURNING id, reference, status
            """,
            {"id": checkout_id, "at": confirm_at},
        )

    async def decline(self, checkout_id: str, code: str) -> None:
        """The bank refuses, with one of `rules.DECLINE_REASONS`."""
        await self._decide(
            """
            UPDATE sandbox_checkout SET status = 'declined', decline_code = %(code)s
            WHERE id = %(id)s AND status = 'open' RETURNING id, reference, status
            """,
            {"id": checkout_id, "code": code},
        )

    async def refund(self, wish: RefundWish, key: UUID) -> RefundRow:
        """Give a whole charge back, once; raises Problem 404, 409 or 422."""
        facts = {"key": key, **msgspec.structs.asdict(wish)}
        now = self._now()
        async with self._pool.connection() as connection, connection.transaction():
            checkout = await _one(
                connection,
                CheckoutRow,
                "SELECT * FROM sandbox_checkout WHERE charge_id = %s FOR UPDATE",
                wish.charge_id,
            )
            if checkout is None:
                raise Problem(404, "unknown_charge", "There is no such charge.")
            done = await _one(
                connection,
                RefundRow,
                "SELECT * FROM sandbox_refund WHERE charge_id = %s",
                wish.charge_id,
            )
            if done is not None:
                _require_same(done, facts)
                return done
            if (checkout.amount_minor, checkout.currency) != (wish.amount_minor, wish.currency):
                raise Problem(422, "amount", "Only the whole charge can be given back.")
            row = RefundRow(id=self._new_id("rfd"), created_at=now, **facts)
            await connection.execute(
                """
                INSERT INTO sandbox_refund (id, key, charge_id, amount_minor, currency, created_at)
                VALUES (%(id)s, %(key)s, %(charge_id)s, %(amount_minor)s, %(currency)s,
                        %(created_at)s)
                """,
                asdict(row),
            )
            await connection.execute(
                "UPDATE sandbox_checkout SET status = 'refunded' WHERE id = %s", (checkout.id,)
            )
            await self._tell_of_checkout(connection, checkout.id, checkout.reference, "refunded")
        return row

    async def send_transfer(self, wish: TransferWish, key: UUID) -> TransferRow:
        """Return the transfer of this key, sent now if it is new; raises Problem 409."""
        facts = {"key": key, **msgspec.structs.asdict(wish)}
        plan = rules.plan_transfer(wish.destination)
        now = self._now()
        made = {
            "id": self._new_id("trf"),
            "outcome": plan.outcome,
            "reason": plan.reason,
            "created_at": now,
            "decided_at": now + plan.delay,
        }
        insert: LiteralString = """
            INSERT INTO sandbox_transfer (id, key, payout, amount_minor, currency, destination,
                                          outcome, reason, created_at, decided_at)
            VALUES (%(id)s, %(key)s, %(payout)s, %(amount_minor)s, %(currency)s, %(destination)s,
                    %(outcome)s, %(reason)s, %(created_at)s, %(decided_at)s)
            ON CONFLICT (key) DO NOTHING
        """
        async with self._pool.connection() as connection:
            await connection.execute(insert, facts | made)
            row = await _one(
                connection, TransferRow, "SELECT * FROM sandbox_transfer WHERE key = %s", key
            )
        assert row is not None, "the key was inserted or stood there"
        _require_same(row, facts)
        return row

    async def transfer(self, key: UUID) -> TransferRow | None:
        """Return the transfer of a key, or None."""
        async with self._pool.connection() as connection:
            return await _one(
                connection, TransferRow, "SELECT * FROM sandbox_transfer WHERE key = %s", key
            )

    async def tick(self) -> None:
        """Let time do its part: confirm, expire and settle what is due."""
        now = self._now()
        async with self._pool.connection() as connection, connection.transaction():
            moved = await _all(
                connection,
                """
                UPDATE sandbox_checkout
                SET status = 'captured', charge_id = replace(id, 'chk_', 'chg_')
                WHERE status = 'pending' AND confirm_at <= %(now)s
                RETURNING id, reference, status
                """,
                {"now": now},
            )
            moved += await _all(
                connection,
                """
                UPDATE sandbox_checkout SET status = 'expired'
                WHERE status = 'open' AND expires_at <= %(now)s RETURNING id, reference, status
                """,
                {"now": now},
            )
            for row in moved:
                await self._tell_of_checkout(connection, row["id"], row["reference"], row["status"])
            settled = await _all(
                connection,
                """
                UPDATE sandbox_transfer SET status = outcome
                WHERE status = 'pending' AND decided_at <= %(now)s RETURNING id, payout, status
                """,
                {"now": now},
            )
            for row in settled:
                subject = {"kind": "transfer", "id": row["id"], "payout": row["payout"]}
                await self._tell(connection, f"transfer.{row['status']}", subject)

    async def claim_due(self, limit: int) -> list[Due]:
        """Return notifications to send now; each is due again later unless it is delivered."""
        now = self._now()
        claimed: list[Due] = []
        async with self._pool.connection() as connection, connection.transaction():
            rows = await _all(
                connection,
                """
                SELECT id, body, attempts FROM sandbox_notification
                WHERE delivered_at IS NULL AND due_at <= %(now)s AND attempts < %(most)s
                ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
                """,
                {"now": now, "limit": limit, "most": rules.GIVE_UP_AFTER},
            )
            for row in rows:
                attempts = row["attempts"] + 1
                await connection.execute(
                    "UPDATE sandbox_notification SET attempts = %s, due_at = %s WHERE id = %s",
                    (attempts, now + rules.next_delivery(attempts), row["id"]),
                )
                claimed.append(Due(row["id"], row["body"], attempts))
        return claimed

    async def mark_delivered(self, notification_id: str) -> None:
        """The product answered 2xx: this notification is done."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE sandbox_notification SET delivered_at = %s WHERE id = %s",
                (self._now(), notification_id),
            )

    async def _decide(self, update: LiteralString, params: dict[str, Any]) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            for row in await _all(connection, update, params):
                await self._tell_of_checkout(connection, row["id"], row["reference"], row["status"])

    async def _tell_of_checkout(
        self, connection: AsyncConnection[DictRow], checkout_id: str, reference: str, status: str
    ) -> None:
        subject = {"kind": "checkout", "id": checkout_id, "order": reference}
        await self._tell(connection, f"checkout.{status}", subject)

    async def _tell(
        self, connection: AsyncConnection[DictRow], event: str, subject: dict[str, str]
    ) -> None:
        now = self._now()
        body = {"type": event, "timestamp": now.isoformat(), "data": subject}
        await connection.execute(
            "INSERT INTO sandbox_notification (id, body, created_at, due_at) "
            "VALUES (%s, %s, %s, %s)",
            (self._new_id("evt"), msgspec.json.encode(body).decode(), now, now),
        )


async def _one(
    connection: AsyncConnection[DictRow], row: type[R], query: LiteralString, value: object
) -> R | None:
    async with connection.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(query, (value,))
        return await cursor.fetchone()


async def _all(
    connection: AsyncConnection[DictRow], query: LiteralString, params: dict[str, Any]
) -> list[DictRow]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, params)
        return await cursor.fetchall()


def _require_same(row: object, facts: dict[str, Any]) -> None:
    if any(getattr(row, name) != value for name, value in facts.items()):
        raise Problem(409, "key_reused", "This key was used with another body.")
