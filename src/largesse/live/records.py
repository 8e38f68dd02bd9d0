"""What the live service reads of the database: rooms, gifts of the catalogue, and committed gifts.

Owns the queries and their translation into values of the live service. Must not decide or write.
Invariant: a room is read in one snapshot of the database, together with how far each bucket went
in it, so that no gift is missed or seen twice where reading ends and listening begins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import tuple_row

from largesse.adapters.clock import READ_OFFSET_SQL
from largesse.adapters.postgres.async_book import AsyncBook, Connection
from largesse.gifting import statements
from largesse.gifting.rules import GiftType, RoomStatus, RoomTerms
from largesse.live.rooms import CommittedGift, RoomFacts
from largesse.live.wire import whole_milliseconds
from largesse.money.ids import FAN_BUCKETS, HolderId, RoomId, fan_bucket

Row = tuple[Any, ...]
FALLBACK_NAME = "Gift"


@dataclass(frozen=True, slots=True)
class SeenGift:
    """A gift as the ledger holds it; its type is looked up by `code`."""

    fan: HolderId
    name: str
    room: RoomId
    seq: int
    streak_seq: int
    code: int
    count: int
    coins: int
    bonus: int
    at: datetime

    def with_type(self, types: Mapping[int, GiftType]) -> CommittedGift:
        """Return the gift as a room takes it; an imported one has a type made of its amount."""
        gift = types.get(self.code) or GiftType(
            self.code,
            slug="gift",
            name=FALLBACK_NAME,
            coins=self.coins // self.count,
            streakable=False,
            retired=True,
            alt="A gift",
        )
        return CommittedGift(
            self.fan,
            self.name,
            gift,
            self.count,
            self.coins,
            self.bonus,
            self.at,
            self.seq,
            self.streak_seq,
        )


@dataclass(frozen=True, slots=True)
class StandingGift:
    """A posted gift as it was decided: `code` is its gift type, `policy` the version of its share.

    `first_seq` is the first sequence of its streak, `streak_total` the streak's pieces up to it.
    """

    room: RoomId
    seq: int
    code: int
    count: int
    coins: int
    bonus: int
    at: datetime
    policy: str
    first_seq: int
    streak_total: int


@dataclass(frozen=True, slots=True)
class RoomHistory:
    """What happened in a room up to `ends`, the last sequence of each fans' bucket."""

    ends: list[int]
    tally: list[Row]
    lines: list[Row]
    gifts: list[SeenGift]
    comments: list[Row]


class Records:
    """Reads on pooled connections; every failure of the database is a TransientError."""

    def __init__(self, book: AsyncBook) -> None:
        self._book = book

    async def clock_offset(self) -> int:
        """Return by how many seconds the sandbox's clock runs ahead."""
        rows = await self._all(READ_OFFSET_SQL)
        return int(rows[0][0])

    async def gift_types(self) -> dict[int, GiftType]:
        """Return every gift of the catalogue by code, retired ones too."""
        rows = await self._all(statements.GIFT_TYPES)
        return {row[0]: GiftType(*row) for row in rows}

    async def rooms(self, known: Collection[RoomId]) -> dict[RoomId, RoomFacts]:
        """Return the open rooms, and the known ones whatever their status."""
        rows = await self._all(statements.OPEN_ROOMS, known=list(known))
        return {RoomId(row[0]): _facts(row) for row in rows}

    async def room(self, room: RoomId) -> RoomFacts | None:
        """Return one room, or None when there is none."""
        rows = await self._all(statements.ONE_ROOM, room=room)
        return _facts(rows[0]) if rows else None

    async def bucket_ends(self) -> list[int]:
        """Return the last sequence of each fans' bucket; all up to it is committed."""
        return _ends(await self._all(statements.BUCKET_ENDS))

    async def gifts_between(
        self, after: Mapping[int, int], ends: list[int], rooms: Collection[RoomId]
    ) -> list[SeenGift]:
        """Return the gifts of `rooms` after the sequences of `after`, up to `ends`."""
        buckets = list(after)
        rows = await self._all(
            statements.GIFTS_BETWEEN,
            bucket=buckets,
            after=[after[bucket] for bucket in buckets],
            upto=[ends[bucket] for bucket in buckets],
            rooms=list(rooms),
        )
        return [_seen(row) for row in rows]

    async def history(self, room: RoomId) -> RoomHistory:
        """Return all that a room must know, from one snapshot of the database."""
        async with self._book.connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return RoomHistory(
                ends=_ends(await _fetch(connection, statements.BUCKET_ENDS)),
                tally=await _fetch(connection, statements.ROOM_TALLY, room=room),
                lines=await _fetch(connection, statements.ROOM_LINES, room=room),
                gifts=[
                    _seen(row)
                    for row in await _fetch(
                        connection, statements.ROOM_GIFTS_AFTER_MARKS, room=room
                    )
                ],
                comments=await _fetch(connection, statements.ROOM_COMMENTS, room=room),
            )

    async def gift_by_key(self, fan: HolderId, gift_id: UUID) -> StandingGift | None:
        """Return the gift that a fan posted under an id; None when there is none."""
        rows = await self._all(statements.GIFT_BY_KEY, bucket=fan_bucket(fan), id=gift_id)
        return StandingGift(*rows[0]) if rows else None

    async def coins_of(self, fan: HolderId) -> int:
        """Return a fan's coins, paid and bonus together."""
        wallet = await self._book.wallet(fan)
        return wallet.paid.balance + wallet.bonus.balance

    async def comment_by_key(self, comment_id: UUID) -> Row | None:
        """Return (room, holder, text, at) of a comment that was sent before, or None."""
        rows = await self._all(statements.COMMENT_BY_KEY, id=comment_id)
        return rows[0] if rows else None

    async def add_comment(self, **comment: object) -> bool:
        """Store a comment or a gift's message once by its id; False when it stood before."""
        return bool(await self._all(statements.ADD_COMMENT, **comment))

    async def prepare_tally(self) -> None:
        """Give every bucket a mark."""
        async with self._book.connection() as connection:
            await connection.execute(statements.ENSURE_MARKS)

    async def tally(self) -> int:
        """Add committed gifts to the tallies, exactly once; returns how many."""
        rows = await self._all(statements.TALLY)
        return int(rows[0][0])

    async def prune_lines(self, rested: datetime) -> None:
        """Forget lines that no room shows and that have not changed since `rested`."""
        async with self._book.connection() as connection:
            await connection.execute(statements.PRUNE_LINES, {"rested": rested})

    async def _all(self, statement: str, **params: object) -> list[Row]:
        async with self._book.connection() as connection:
            return await _fetch(connection, statement, **params)


async def _fetch(connection: Connection, statement: str, **params: object) -> list[Row]:
    cursor = connection.cursor(row_factory=tuple_row)
    await cursor.execute(sql.SQL(statement), params or None)
    return await cursor.fetchall()


def _facts(row: Row) -> RoomFacts:
    room, creator, name, handle, title, status, policy, version = row
    terms = RoomTerms(RoomId(room), HolderId(creator), RoomStatus(status), policy)
    return RoomFacts(terms, name, handle, title, version)


def _seen(row: Row) -> SeenGift:
    fan, name, seq, streak_seq, code, count, coins, bonus, at, room = row
    return SeenGift(
        HolderId(fan),
        name,
        RoomId(room),
        seq,
        streak_seq,
        code,
        count,
        coins,
        bonus,
        whole_milliseconds(at),
    )


def _ends(rows: list[Row]) -> list[int]:
    ends = [0] * FAN_BUCKETS
    for bucket, last_seq in rows:
        ends[bucket] = last_seq
    return ends
