"""Group commit under concurrency, and kill -9 while everybody sends."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from uuid import UUID

import httpx
import pytest

from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.gifting import statements
from largesse.money.ids import keyed_id
from tests.live.world import (
    COMMITTED,
    Fan,
    LiveProcess,
    World,
    database_url,
    free_port,
    new_key,
)

pytestmark = COMMITTED
Sent = tuple[int, str, str]
"""Fan, key and gift of a request that was answered."""


async def give(client: httpx.AsyncClient, path: str, fan: Fan, key: str, gift: str) -> int:
    """Send one gift; returns the status, 0 when nobody answered."""
    body = {"key": key, "gift": gift, "count": 1}
    try:
        return (await client.post(path, json=body, headers=fan.bearer)).status_code
    except httpx.HTTPError:
        return 0


async def give_until_answered(
    client: httpx.AsyncClient, path: str, fan: Fan, gifts: int, acknowledged: list[Sent]
) -> None:
    """Send gifts one after the other, each with its key until somebody answers for good."""
    for _ in range(gifts):
        key = str(new_key())
        gift = random.choice(["panda", "panda", "drama-queen"])
        while True:
            status = await give(client, path, fan, key, gift)
            if status in (200, 201):
                acknowledged.append((fan.id, key, gift))
                break
            assert status in (0, 409, 429, 503), status
            await asyncio.sleep(0.05)


def rebuilt_by_hand(world: World) -> tuple[int, int]:
    rows = world.ledger_gifts()
    return sum(row["coins"] for row in rows), sum(row["count"] for row in rows)


def test_concurrent_senders_share_commits_and_lose_nothing(world: World, live: LiveProcess):
    fans = [world.fan(f"Fan {n}", coins=100_000) for n in range(40)]
    poor = world.fan("Poor", coins=12)
    path = live.url + live.room_path(world.room, "/gifts")
    acknowledged: list[Sent] = []

    async def scenario() -> list[int]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(timeout=30, limits=limits) as client:
            sending = [give_until_answered(client, path, f, 10, acknowledged) for f in fans]
            racing = [give(client, path, poor, str(new_key()), "panda") for _ in range(20)]
            key = str(new_key())
            doubled = [give(client, path, fans[0], key, "lighthouse") for _ in range(20)]
            results = await asyncio.gather(*sending, *racing, *doubled)
            return [one for one in results if one is not None]

    statuses = Counter(asyncio.run(scenario()))
    # Twelve coins buy two pandas whatever the race; one key is one gift however often it is sent,
    # and whoever asks before it is decided is told to come back.
    assert (statuses[201], statuses[402], statuses[200] + statuses[409]) == (3, 18, 19)
    assert len(statuses.keys() - {200, 409}) == 2, statuses
    assert world.balance(poor) == 2
    posted = {row["id"] for row in world.ledger_gifts()}
    assert len(acknowledged) == 400
    assert {keyed_id(fan, UUID(key)) for fan, key, _ in acknowledged} <= posted
    assert len(posted) == 400 + 3
    totals = live.snapshot(world.room)["totals"]
    assert (totals["coins"]["units"], totals["gifts"]) == rebuilt_by_hand(world)


def test_streaks_stay_whole_when_one_fan_taps_from_many_hands(world: World, live: LiveProcess):
    fan = world.fan("Tapper")
    path = live.url + live.room_path(world.room, "/gifts")

    async def scenario() -> list[int]:
        async with httpx.AsyncClient(timeout=30) as client:
            taps = [give(client, path, fan, str(new_key()), "hearts") for _ in range(30)]
            return await asyncio.gather(*taps)

    assert Counter(asyncio.run(scenario())) == {201: 30}
    rows = [row for row in world.ledger_gifts() if row["fan"] == fan.id]
    firsts = {row["streak_seq"] or row["seq"] for row in rows}
    assert len(rows) == 30
    assert len(firsts) == 1


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_gift_and_doubles_none(world: World):
    world.close_room()
    world.open_room()
    port = free_port()
    live = LiveProcess(port=port)
    fans = [world.fan(f"Fan {n}", coins=200_000) for n in range(24)]
    path = live.url + live.room_path(world.room, "/gifts")
    acknowledged: list[Sent] = []

    async def scenario() -> None:
        nonlocal live
        async with httpx.AsyncClient(timeout=5) as client:
            sending = [
                asyncio.create_task(give_until_answered(client, path, fan, 40, acknowledged))
                for fan in fans
            ]
            for _ in range(3):
                await asyncio.sleep(0.4)
                live.kill()
                live = await asyncio.to_thread(LiveProcess, port=port)
            await asyncio.gather(*sending)

    asyncio.run(scenario())
    rows = world.ledger_gifts()
    posted = Counter(row["id"] for row in rows)
    assert len(acknowledged) == 24 * 40
    assert set(posted) == {keyed_id(fan, UUID(key)) for fan, key, _ in acknowledged}
    assert set(posted.values()) == {1}
    spent = Counter[int]()
    for row in rows:
        spent[row["fan"]] += row["coins"]
    assert all(world.balance(fan) == 200_000 - spent[fan.id] for fan in fans)

    before = live.snapshot(world.room)
    coins, gifts = rebuilt_by_hand(world)
    assert (before["totals"]["coins"]["units"], before["totals"]["gifts"]) == (coins, gifts)
    live.say(world, fans[0], "still here")
    live.give(world, fans[0], "shiny-diamond", message="for you")
    time.sleep(3.5)
    before = live.snapshot(world.room)
    live.kill()
    live = LiveProcess(port=port)
    after = live.snapshot(world.room)
    for part in ("title", "totals", "board", "feed", "streaks"):
        assert after[part] == before[part], part
    assert after["cursor"] != before["cursor"]
    assert live.stop() == 0


def test_the_tally_counts_each_gift_once_whoever_runs_it(world: World, live: LiveProcess):
    """Three more tallies run against the service's own; the sums stay those of the ledger."""
    fans = [world.fan(f"Fan {n}", coins=100_000) for n in range(10)]
    path = live.url + live.room_path(world.room, "/gifts")
    acknowledged: list[Sent] = []

    async def tally(book: AsyncBook, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with book.connection() as connection:
                await connection.execute(statements.TALLY)

    async def scenario() -> None:
        stop = asyncio.Event()
        async with open_pool(database_url()) as pool, httpx.AsyncClient(timeout=30) as client:
            tallies = [asyncio.create_task(tally(AsyncBook(pool), stop)) for _ in range(3)]
            await asyncio.gather(
                *(give_until_answered(client, path, fan, 20, acknowledged) for fan in fans)
            )
            await asyncio.sleep(1.5)
            stop.set()
            await asyncio.gather(*tallies)

    asyncio.run(scenario())
    by_hand = Counter[int]()
    for row in world.ledger_gifts():
        by_hand[row["fan"]] += row["coins"]
    tallied = {row.fan: row.coins for row in world.tallies()}
    assert tallied == dict(by_hand)
