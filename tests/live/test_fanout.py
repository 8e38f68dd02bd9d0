"""Fan-out without a network: bounded queues, stalled readers, the ring."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from largesse.live.endpoints import Endpoints, comment_pace, gift_pace
from largesse.live.exchange import Exchange
from largesse.live.fanout import QUEUE_BYTES, RING_EVENTS, SNAPSHOT_REQUIRED, RoomChannel, Viewer
from largesse.live.rooms import RoomState
from largesse.money.ids import HolderId
from tests.live.test_rooms import FACTS, T0, TERMS


def channel_of(now: datetime = T0) -> RoomChannel:
    return RoomChannel(RoomState(FACTS, epoch="life", is_test=True), lambda: now)


def say(channel: RoomChannel, number: int, text: str = "hello") -> None:
    at = T0 + timedelta(milliseconds=number)
    channel.state.see_comment(f"cmt_{number:09}", HolderId(1), "Mina", text, at)
    channel.touch()


def messages(chunk: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in chunk.split(b"\n") if line.startswith(b"data: ")]
    return [msgspec.json.decode(line) for line in lines]


def test_changes_within_a_moment_travel_together():
    async def scenario() -> list[dict[str, Any]]:
        channel = channel_of()
        viewer = channel.join(None)
        for number in range(5):
            say(channel, number)
        chunk = await viewer.next_chunk(patience_seconds=2)
        channel.close()
        return messages(chunk)

    said = [event for event in asyncio.run(scenario()) if event["type"] == "comment.sent"]
    assert len(said) == 5


def test_a_silent_room_says_nothing():
    async def scenario() -> bytes:
        return await channel_of().join(None).next_chunk(patience_seconds=0.01)

    assert asyncio.run(scenario()) == b""


def test_a_queue_is_bounded():
    async def scenario() -> None:
        viewer = Viewer()
        viewer.push(b"x" * QUEUE_BYTES)
        viewer.push(b"x")
        await asyncio.wait_for(viewer.dropped(), 1)
        viewer.push(b"x")
        assert not viewer._chunks

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("after", "missed"), [(RING_EVENTS, 10), (RING_EVENTS + 10, 0), (10, RING_EVENTS)]
)
def test_the_ring_replays_what_it_holds(after, missed):
    assert len(messages(after_a_full_ring(f"life.{after:08}"))) == missed


@pytest.mark.parametrize("cursor", ["life.00000009", f"life.{RING_EVENTS + 11:08}", "other.1"])
def test_what_the_ring_does_not_hold_needs_a_snapshot(cursor):
    assert after_a_full_ring(cursor) == SNAPSHOT_REQUIRED


def after_a_full_ring(cursor: str) -> bytes:
    """Return what a viewer with this cursor is sent after ten events more than the ring holds."""

    async def scenario() -> bytes:
        channel = channel_of()
        for number in range(RING_EVENTS + 10):
            say(channel, number)
            channel.flush()
        chunk = await channel.join(cursor).next_chunk(patience_seconds=0.01)
        channel.close()
        return chunk

    return asyncio.run(scenario())


class OneRoom:
    """A hall with one room, as the endpoints ask for it."""

    def __init__(self, channel: RoomChannel) -> None:
        self.channel = channel

    async def room(self, room: object) -> RoomChannel:
        return self.channel


def endpoints_of(channel: RoomChannel) -> Endpoints:
    return Endpoints(
        hall=OneRoom(channel),  # type: ignore[arg-type]
        intake=None,  # type: ignore[arg-type]
        records=None,  # type: ignore[arg-type]
        key=b"",
        public_url="",
        now=lambda: datetime.now(UTC),
        machine_now=lambda: datetime.now(UTC),
        gift_pace=gift_pace(),
        comment_pace=comment_pace(),
    )


def exchange_of(receive: Any, send: Any) -> Exchange:
    scope = {"method": "GET", "path": "/", "headers": [], "query_string": b""}
    return Exchange(scope, receive, send, frozenset())


async def never(*ignored: object) -> None:
    await asyncio.Event().wait()


def test_a_reader_who_does_not_read_is_let_go():
    """Its writer hangs in `send` for ever; the stream ends all the same and memory is freed."""

    async def scenario() -> None:
        channel = channel_of()
        stream = asyncio.create_task(
            endpoints_of(channel).stream(exchange_of(never, never), TERMS.id)
        )
        await asyncio.sleep(0.01)
        assert len(channel._viewers) == 1
        for number in range(QUEUE_BYTES // 500):
            say(channel, number, "words " * 30)
            channel.flush()
        await asyncio.wait_for(stream, 2)
        assert not channel.is_watched
        channel.close()

    asyncio.run(scenario())


def test_a_viewer_who_hangs_up_leaves():
    async def hang_up() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def scenario() -> None:
        channel = channel_of()
        stream = endpoints_of(channel).stream(exchange_of(hang_up, never), TERMS.id)
        await asyncio.wait_for(stream, 2)
        assert not channel.is_watched
        channel.close()

    asyncio.run(scenario())
