"""The demo's traffic against the real live service: it talks, gives, recharges, and waits."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from random import Random

import httpx
import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from largesse.adapters.config import Config
from largesse.adapters.postgres.async_book import AsyncBook, open_pool
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.checks import run_checks
from largesse.gifting import services
from largesse.money.ids import RoomId
from largesse.people.models import Holder
from largesse.simulator.cast import FANS, HOSTS
from largesse.simulator.shape import Act, Offered
from largesse.simulator.traffic import Away, Crowd, Traffic, Wish, flow, warm_up
from tests.live.world import (
    COMMITTED,
    LiveProcess,
    World,
    database_url,
    environment,
    new_id,
)

pytestmark = COMMITTED
HOST = HOSTS[0].player


@dataclass
class Demo:
    """A room of the demo's first creator, and the live service in front of it."""

    world: World
    live: LiveProcess
    room: RoomId

    def run(self, scene: Callable[[Traffic], Awaitable[None]], live_url: str = "") -> None:
        async def play() -> None:
            pool = open_pool(database_url(), size=2)
            await pool.open()
            config = Config.from_env(
                environment("http://127.0.0.1:8000")
                | {"LARGESSE_LIVE_URL": live_url or self.live.url}
            )
            async with httpx.AsyncClient(timeout=10) as client:
                await scene(Traffic(config, AsyncBook(pool), client))
            await pool.close()

        asyncio.run(play())

    def open_room(self) -> RoomId:
        self.room = RoomId(new_id())
        services.open_room(
            room_id=self.room, creator=HOST.id, title=HOSTS[0].title, now=self.world.now
        )
        return self.room


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Demo]:
    with django_db_blocker.unblock():
        world = World()
        Holder.objects.create(
            id=HOST.id,
            handle="demo-host",
            display_name=HOST.name,
            is_creator=True,
            created_at=world.now,
        )
        live = LiveProcess()
        made = Demo(world, live, RoomId(0))
        made.open_room()
        yield made
        assert live.stop() == 0
        world.clear()
        host = World.__new__(World)
        host.creator, host.holders = HOST.id, [HOST.id]
        host.clear()


def offered(traffic_gifts: list[Offered], slug: str) -> Offered:
    return next(gift for gift in traffic_gifts if gift.slug == slug)


def test_only_rooms_of_the_cast_are_played_in(demo: Demo) -> None:
    async def scene(traffic: Traffic) -> None:
        assert await traffic.open_rooms() == [demo.room]

    demo.run(scene)


def test_a_comment_is_said(demo: Demo) -> None:
    async def scene(traffic: Traffic) -> None:
        await traffic.carry_out(Wish(FANS[3], demo.room, "bravo!", None))

    demo.run(scene)
    said = demo.live.snapshot(demo.room)
    assert "bravo!" in str(said)
    assert FANS[3].name in str(said)


def test_whoever_runs_out_recharges_and_gives(demo: Demo) -> None:
    fan = FANS[7]
    assert DjangoBook().wallet(fan.id).spendable == 0

    async def scene(traffic: Traffic) -> None:
        gifts = await traffic.gifts()
        await traffic.carry_out(Wish(fan, demo.room, None, Act(offered(gifts, "drama-queen"), 1)))

    demo.run(scene)
    [lot] = DjangoBook().lots(fan.id)
    assert (lot.currency, lot.price_minor) == ("USD", 499)
    assert lot.reference.startswith("demo-")
    assert DjangoBook().wallet(fan.id).spendable == len(lot.serials) - 499
    assert [row["coins"] for row in demo.world.ledger_gifts(demo.room) if row["fan"] == fan.id] == [
        499
    ]


def test_a_streak_is_one_streak_of_all_its_pieces(demo: Demo) -> None:
    fan = FANS[8]

    async def scene(traffic: Traffic) -> None:
        gifts = await traffic.gifts()
        await traffic.carry_out(Wish(fan, demo.room, None, Act(offered(gifts, "panda"), 9)))

    demo.run(scene)
    posted = [row for row in demo.world.ledger_gifts(demo.room) if row["fan"] == fan.id]
    assert sum(row["count"] for row in posted) == 9
    assert len(posted) > 1
    first = posted[0]["seq"]
    assert {row["streak_seq"] for row in posted[1:]} == {first}


def test_a_dear_wish_takes_several_packages(demo: Demo) -> None:
    fan = FANS[9]

    async def scene(traffic: Traffic) -> None:
        await traffic.recharge(fan, 14_999)

    demo.run(scene)
    assert DjangoBook().wallet(fan.id).spendable >= 14_999
    assert len(DjangoBook().lots(fan.id)) == 3


def test_a_room_is_warm_before_anybody_looks(demo: Demo) -> None:
    demo.run(_warm)
    shown = demo.live.snapshot(demo.room)
    assert shown["totals"]["coins"]["units"] > 0
    assert len(shown["board"]) >= 3


async def _warm(traffic: Traffic) -> None:
    await warm_up(traffic, Random(3), await traffic.gifts())


def test_a_closed_room_ends_an_act_quietly(demo: Demo) -> None:
    closed = demo.room
    services.close_room(closed, creator=HOST.id, now=demo.world.now)
    deadline = time.monotonic() + 10
    while demo.live.snapshot(closed)["status"] == "open" and time.monotonic() < deadline:
        time.sleep(0.1)
    before = demo.world.ledger_gifts(closed)
    demo.open_room()

    async def scene(traffic: Traffic) -> None:
        panda = offered(await traffic.gifts(), "panda")
        await traffic.carry_out(Wish(FANS[8], closed, None, Act(panda, 3)))
        assert await traffic.open_rooms() == [demo.room]

    demo.run(scene)
    assert demo.world.ledger_gifts(closed) == before


def test_a_service_that_is_away_is_said_to_be(demo: Demo) -> None:
    async def scene(traffic: Traffic) -> None:
        with pytest.raises(Away):
            await traffic.carry_out(Wish(FANS[3], demo.room, "bravo!", None))

    demo.run(scene, live_url="http://127.0.0.1:9")


def test_the_flow_goes_on_by_itself_and_the_books_hold(demo: Demo) -> None:
    async def scene(traffic: Traffic) -> None:
        crowd = Crowd(Random(5), await traffic.gifts())
        crowd.next_pause = lambda: 0.01  # type: ignore[method-assign]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await flow(traffic, crowd)

    demo.run(scene)
    assert len(demo.world.ledger_gifts(demo.room)) > 10
    assert not [f for f in run_checks() if f.invariant in ("I1", "I2", "I3")]


def test_the_process_says_ready_and_ends_on_request(demo: Demo) -> None:
    environ = environment("http://127.0.0.1:8000") | {"LARGESSE_LIVE_URL": demo.live.url}
    command = [sys.executable, "-m", "largesse.simulator.traffic"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        alarm = threading.Timer(20, process.kill)
        alarm.start()
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        alarm.cancel()


def test_traffic_is_refused_outside_a_sandbox() -> None:
    environ = environment("http://127.0.0.1:8000") | {"LARGESSE_SANDBOX": "0"}
    command = [sys.executable, "-m", "largesse.simulator.traffic"]
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "largesse demo" in answer.stderr
    assert settings.CONFIG.secret not in answer.stderr
