"""Live traffic for the demo: fans who talk and give in the open rooms of the demo's creators.

Owns who acts when. Must not touch gifts or rooms directly: everything goes over HTTP through the
live service, with signed room tokens, as a browser's would; only coins come by recharge journals of
its own, since no fan of the demo has a card. Invariant: bounded and calm; a room that is closed, or
a service that is away, is waited for and never hammered.

Run it with: python -m largesse.simulator.traffic
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from random import Random

import httpx

from largesse.adapters import clock
from largesse.adapters.config import Config
from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.catalog.rules import Package, smallest_cover, tax_within
from largesse.gifting import tokens
from largesse.ledger.rules import Payment, recharge_captured
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import TransientError
from largesse.money.ids import RoomId, public_id, uuid7
from largesse.simulator.cast import FANS, HOSTS, Player
from largesse.simulator.shape import COMMENTS, Act, Offered, choose_act, choose_fan

CALM_SECONDS = 0.9
"""Mean pause between two acts, in all rooms together."""
BURST_SECONDS = 0.2
BURST_ACTS = (12, 40)
BURST_CHANCE = 0.01
TAP_SECONDS = 0.22
COMMENT_SHARE = 0.35
MAX_STREAKS = 12
"""Streaks that go on at once; further acts wait for one to end."""
_ROOMS_SECONDS = 5.0
_AWAY_SECONDS = 2.0
_WARM_COMMENTS = 5
_WARM_GIFTS = 4

_OPEN_ROOMS = "SELECT id FROM gifting_room WHERE status = 'open' AND creator = ANY (%s)"
_GIFTS = (
    "SELECT code, slug, coins, streakable FROM catalog_gift WHERE retired_at IS NULL ORDER BY code"
)
_PACKAGES = """
    SELECT p.id, p.coins, p.price_minor, b.currency, b.tax_basis_points
    FROM catalog_coinpackage p JOIN catalog_pricebook b ON b.id = p.book_id
    WHERE b.region = 'US' AND b.channel = 'web' AND b.valid_to IS NULL
"""

_log = logging.getLogger(__name__)


class Away(Exception):
    """The live service or the database does not answer; a later try may succeed."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one fan does next in one room: says something, or gives."""

    fan: Player
    room: RoomId
    comment: str | None
    act: Act | None


@dataclass(frozen=True, slots=True)
class Store:
    """What coins cost."""

    packages: Sequence[Package]
    currency: str
    tax_basis_points: int


class Crowd:
    """Decides who does what, endlessly; pauses are part of the decision."""

    def __init__(self, chance: Random, gifts: Sequence[Offered]) -> None:
        self._chance = chance
        self._gifts = gifts
        self._burst_left = 0

    def next_wish(self, rooms: Sequence[RoomId]) -> Wish:
        """Return the next act in one of the rooms, the first of them the fullest."""
        room = choose_fan(self._chance, rooms)
        fan = choose_fan(self._chance, FANS)
        if self._chance.random() < COMMENT_SHARE:
            # Whoever gives most does not talk most.
            return Wish(self._chance.choice(FANS), room, self._chance.choice(COMMENTS), None)
        return Wish(fan, room, None, choose_act(self._chance, self._gifts))

    def next_pause(self) -> float:
        """Return the seconds until then: calm as a rule, in a burst now and then."""
        if self._burst_left == 0 and self._chance.random() < BURST_CHANCE:
            self._burst_left = self._chance.randint(*BURST_ACTS)
        mean = CALM_SECONDS
        if self._burst_left:
            self._burst_left -= 1
            mean = BURST_SECONDS
        return min(self._chance.expovariate(1 / mean), 5 * mean)


class Traffic:
    """Carries wishes to the live service."""

    def __init__(self, config: Config, book: AsyncBook, client: httpx.AsyncClient) -> None:
        self._key = tokens.signing_key(config.secret)
        self._live_url = config.live_url
        self._book = book
        self._client = client
        self._tokens: dict[tuple[int, RoomId], tuple[str, float]] = {}
        self._numbers = count(1)
        self._store: Store | None = None

    async def open_rooms(self) -> list[RoomId]:
        """Return the rooms that are open, in the order of the cast. Raises Away."""
        creators = [host.player.id for host in HOSTS]
        rows = await self._rows(_OPEN_ROOMS, [creators])
        found = [RoomId(int(str(row[0]))) for row in rows]
        order = {host.room: place for place, host in enumerate(HOSTS)}
        return sorted(found, key=lambda room: order.get(room, len(order)))

    async def gifts(self) -> list[Offered]:
        """Return what can be given. Raises Away."""
        return [Offered(*row) for row in await self._rows(_GIFTS, [])]  # type: ignore[arg-type]

    async def carry_out(self, wish: Wish) -> None:
        """Say it or give it, taps and all. Raises Away; a closed room ends it quietly."""
        if wish.comment is not None:
            await self._send(wish, "comments", {"text": wish.comment})
            return
        assert wish.act is not None, "a wish without words is an act"
        if not wish.act.gift.streakable:
            await self._give(wish, 1)
            return
        left = wish.act.pieces
        while left:
            pieces = min(left, 1 + left // 12)
            if not await self._give(wish, pieces):
                return
            left -= pieces
            if left:
                await asyncio.sleep(TAP_SECONDS)

    async def _give(self, wish: Wish, pieces: int) -> bool:
        """Send one order; a fan who runs out recharges and sends it once more."""
        assert wish.act is not None, "only acts are given"
        body: dict[str, object] = {"gift": wish.act.gift.slug, "count": pieces}
        answer = await self._send(wish, "gifts", body)
        if answer.status_code == httpx.codes.PAYMENT_REQUIRED:
            await self.recharge(wish.fan, answer.json()["shortfall"]["units"])
            answer = await self._send(wish, "gifts", body)
        return answer.is_success

    async def recharge(self, fan: Player, coins: int) -> None:
        """Buy the smallest package that covers `coins`, for a later half hour too. Raises Away."""
        store = self._store or await self._read_store()
        largest = max(store.packages, key=lambda package: package.coins)
        at, journals, bought = clock.now(), [], 0
        while bought < coins:
            package = smallest_cover(store.packages, coins - bought) or largest
            unit = asset(store.currency)
            tax = tax_within(package.price_minor, store.tax_basis_points)
            key = uuid7(int(at.timestamp() * 1000), secrets.token_bytes(10))
            payment = Payment(
                Amount(package.price_minor, unit), Amount(tax, unit), "web", f"demo-{key}"
            )
            journals.append(recharge_captured(key, at, fan.id, package.coins, payment))
            bought += package.coins
        try:
            await self._book.post(journals)
        except TransientError as error:
            raise Away from error

    async def _send(self, wish: Wish, verb: str, body: dict[str, object]) -> httpx.Response:
        now = clock.now()
        key = uuid7(int(now.timestamp() * 1000), secrets.token_bytes(10))
        url = f"{self._live_url}/live/rooms/{public_id('room', wish.room)}/{verb}"
        try:
            answer = await self._client.post(
                url,
                json={"key": str(key), **body},
                headers={"Authorization": f"Bearer {self._token(wish)}"},
            )
        except httpx.TransportError as error:
            raise Away from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Away(answer.text)
        return answer

    def _token(self, wish: Wish) -> str:
        now = clock.now()
        text, fresh_until = self._tokens.get((wish.fan.id, wish.room), ("", 0.0))
        if now.timestamp() >= fresh_until:
            text = tokens.issue(
                self._key,
                holder=wish.fan.id,
                name=wish.fan.name,
                room=wish.room,
                role="fan",
                now=now,
            )
            fresh_until = (now + tokens.LIFETIME - timedelta(minutes=10)).timestamp()
            self._tokens[wish.fan.id, wish.room] = text, fresh_until
        return text

    async def _read_store(self) -> Store:
        rows = await self._rows(_PACKAGES, [])
        packages = [Package(*row[:3]) for row in rows]  # type: ignore[arg-type]
        self._store = Store(packages, str(rows[0][3]), int(str(rows[0][4])))
        return self._store

    async def _rows(self, sql: str, params: Sequence[object]) -> list[tuple[object, ...]]:
        try:
            async with self._book.connection() as connection:
                return await (await connection.execute(sql, params)).fetchall()
        except TransientError as error:
            raise Away from error

    async def read_clock(self) -> int:
        """Return how far the sandbox's clock stands ahead, in seconds. Raises Away."""
        rows = await self._rows(clock.READ_OFFSET_SQL, [])
        return int(str(rows[0][0]))


async def warm_up(traffic: Traffic, chance: Random, gifts: Sequence[Offered]) -> None:
    """Let every open room have words and gifts before anybody looks. Raises Away."""
    for room in await traffic.open_rooms():
        speakers = chance.sample(FANS, _WARM_COMMENTS)
        lines = chance.sample(COMMENTS, _WARM_COMMENTS)
        cheap = [gift for gift in gifts if gift.streakable][:_WARM_GIFTS]
        for number, (fan, line) in enumerate(zip(speakers, lines, strict=True)):
            await traffic.carry_out(Wish(fan, room, line, None))
            if number < len(cheap):
                act = Act(cheap[number], 1)
                await traffic.carry_out(Wish(speakers[number - 1], room, None, act))


async def wishes(traffic: Traffic, crowd: Crowd) -> AsyncIterator[Wish]:
    """Yield wish after wish, at the crowd's pace; none while no room is open. Raises Away."""
    loop = asyncio.get_running_loop()
    rooms: list[RoomId] = []
    looked_at = 0.0
    while True:
        if loop.time() - looked_at >= _ROOMS_SECONDS or not rooms:
            rooms, looked_at = await traffic.open_rooms(), loop.time()
        await asyncio.sleep(crowd.next_pause())
        if rooms:
            yield crowd.next_wish(rooms)


async def flow(traffic: Traffic, crowd: Crowd) -> None:
    """Carry wishes out, streaks beside each other, for ever. Raises Away."""
    slots = asyncio.Semaphore(MAX_STREAKS)

    async def carry(wish: Wish) -> None:
        try:
            await traffic.carry_out(wish)
        except Away:
            await asyncio.sleep(_AWAY_SECONDS)
        finally:
            slots.release()

    async with asyncio.TaskGroup() as going_on:
        async for wish in wishes(traffic, crowd):
            await slots.acquire()
            going_on.create_task(carry(wish))


async def _follow_clock(traffic: Traffic, offset: list[int]) -> None:
    while True:
        try:
            offset[0] = await traffic.read_clock()
        except Away:
            _log.warning("The database is away; the clock is read again later.")
        await asyncio.sleep(clock.OFFSET_LIFETIME_SECONDS)


async def _run(config: Config, database_url: str) -> None:
    pool = open_pool(database_url, size=3)
    await pool.open()
    offset = [0]
    clock.install(clock.Clock(lambda: offset[0]))
    async with httpx.AsyncClient(timeout=10) as client:
        traffic = Traffic(config, AsyncBook(pool), client)
        following = asyncio.create_task(_follow_clock(traffic, offset))
        chance = Random()  # noqa: S311 - a crowd, not a secret
        announced = False
        try:
            while True:
                try:
                    gifts = await traffic.gifts()
                    if not announced:
                        await warm_up(traffic, chance, gifts)
                        sys.stdout.write("ready\n")
                        sys.stdout.flush()
                        announced = True
                    await flow(traffic, Crowd(chance, gifts))
                except* Away:
                    await asyncio.sleep(_AWAY_SECONDS)
        finally:
            following.cancel()
            await pool.close()


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    config = Config.from_env(os.environ)
    if config.database_url is None or not config.sandbox:
        sys.stderr.write("Traffic is for the demo only; start it with: largesse demo\n")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(_run(config, config.database_url))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
