"""The live service as a whole: what runs in its process, and the ASGI application in front of it.

Owns the start, the background work and the end of the service, and which address goes where. Must
not know Django. Invariant: nothing is answered before the database was reached, and at the end
every gift that was taken in is posted before the connections close.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from largesse.adapters import clock
from largesse.adapters.config import Config
from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.gifting import tokens
from largesse.gifting.errors import UnknownRoom
from largesse.live.endpoints import Endpoints, comment_pace, gift_pace
from largesse.live.exchange import (
    ClientGone,
    Exchange,
    Receive,
    Scope,
    Send,
    allowed_origins,
)
from largesse.live.hall import Hall
from largesse.live.intake import GiftIntake
from largesse.live.problems import InternalFault, UnknownAddress, WrongMethod, problem
from largesse.live.records import Records
from largesse.money.errors import DomainError, InvariantViolation, TransientError
from largesse.money.ids import BadId, RoomId, parse_public_id

FOLLOW_SECONDS = 0.25
TALLY_SECONDS = 0.5
REFRESH_SECONDS = 1.0
PRUNE_SECONDS = 60.0
LINES_REST = timedelta(minutes=10)
_ROOM_PREFIX = "/live/rooms/"

_MACHINE_CLOCK = clock.Clock()

log = logging.getLogger(__name__)
Work = Callable[[], Awaitable[object]]
Answer = Callable[[Exchange, RoomId], Awaitable[None]]


class LiveService:
    """One process of the live service."""

    def __init__(self, config: Config, database_url: str) -> None:
        self._sandbox = config.sandbox
        self._origins = allowed_origins(config.public_url)
        self._pool = open_pool(database_url, size=6)
        self._book = AsyncBook(self._pool)
        self._records = Records(self._book)
        self._clock_offset = 0
        self.hall = Hall(self._records, clock.now, is_test=config.sandbox)
        self.intake = GiftIntake(self._book, self.hall)
        self._endpoints = Endpoints(
            hall=self.hall,
            intake=self.intake,
            records=self._records,
            key=tokens.signing_key(config.secret),
            public_url=config.public_url,
            now=clock.now,
            machine_now=_MACHINE_CLOCK.now,
            gift_pace=gift_pace(),
            comment_pace=comment_pace(),
        )
        self._routes: dict[str, dict[str, Answer]] = {
            "": {"GET": self._endpoints.show},
            "gifts": {"POST": self._endpoints.give},
            "comments": {"POST": self._endpoints.comment},
            "events": {"GET": self._endpoints.stream},
        }
        self._work: list[asyncio.Task[None]] = []
        self._posting: asyncio.Task[None] | None = None

    # -- Life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Reach the database and begin to work; raises PoolTimeout when it cannot be reached."""
        await self._pool.open(wait=True, timeout=15)
        if self._sandbox:
            clock.install(clock.Clock(lambda: self._clock_offset))
            await self._read_clock()
        await self._records.prepare_tally()
        await self.hall.open()
        self._posting = asyncio.create_task(self.intake.run())
        self._work = [
            asyncio.create_task(_repeat(self.hall.follow, FOLLOW_SECONDS)),
            asyncio.create_task(_repeat(self._records.tally, TALLY_SECONDS)),
            asyncio.create_task(_repeat(self._refresh, REFRESH_SECONDS)),
            asyncio.create_task(_repeat(self._prune, PRUNE_SECONDS)),
        ]

    async def stop(self) -> None:
        """Post what waits, let the viewers go, and close the connections."""
        self.intake.close()
        if self._posting is not None:
            await self._posting
        self.hall.close()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._pool.close()

    async def _refresh(self) -> None:
        if self._sandbox:
            await self._read_clock()
        await self.hall.refresh()

    async def _read_clock(self) -> None:
        self._clock_offset = await self._records.clock_offset()
        clock.installed().forget_offset()

    async def _prune(self) -> None:
        await self._records.prune_lines(clock.now() - LINES_REST)

    # -- Requests -------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send, self._origins)
        try:
            await self._answer(exchange)
        except ClientGone:
            return
        except DomainError as error:
            await exchange.answer(*problem(error))
        except InvariantViolation:
            log.exception("An invariant does not hold.")
            fault = InternalFault(
                "Something broke on our side. The same key is safe to send again."
            )
            await exchange.answer(*problem(fault))

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.path == "/live/healthz":
            await self._records.clock_offset()
            await exchange.answer(200, [(b"content-type", b"application/json")], b'{"ok":true}')
            return
        room_text, _, verb = exchange.path.removeprefix(_ROOM_PREFIX).partition("/")
        route = self._routes.get(verb)
        if not exchange.path.startswith(_ROOM_PREFIX) or route is None:
            raise UnknownAddress("Nothing answers here.")
        methods = ", ".join([*route, "OPTIONS"])
        if exchange.method == "OPTIONS":
            await exchange.answer_preflight(methods)
            return
        answer = route.get(exchange.method)
        if answer is None:
            raise WrongMethod(f"This address answers to {methods}.", allow=methods)
        try:
            room = RoomId(parse_public_id("room", room_text))
        except BadId as error:
            raise UnknownRoom("There is no such room.", room=room_text[:40]) from error
        await answer(exchange, room)


async def _repeat(work: Work, pause_seconds: float) -> None:
    """Do the work again and again; a database that gives way is waited for."""
    while True:
        try:
            await work()
        except TransientError as error:
            log.warning("The database gave way: %s", error.message)
        except Exception:
            log.exception("Background work failed; it is tried again.")
        await asyncio.sleep(pause_seconds)
