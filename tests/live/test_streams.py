"""Snapshots and event streams over HTTP: going on by cursor, other origins, comments."""

from __future__ import annotations

import time

import pytest

from largesse.money.ids import public_id
from tests.live.reducer import Json, apply
from tests.live.world import (
    COMMITTED,
    ORIGIN,
    PUBLIC_URL,
    LiveProcess,
    Stream,
    World,
    new_key,
)

pytestmark = COMMITTED
STABLE = ("title", "status", "creator", "totals", "board", "feed", "streaks", "cursor")


def stable(snapshot: Json) -> Json:
    """The parts that a viewer shows, but for the number of viewers, which watching changes."""
    shown = {key: snapshot[key] for key in STABLE}
    return shown | {"totals": {k: v for k, v in shown["totals"].items() if k != "viewers"}}


def test_a_second_window_sees_a_gift_at_once_with_all_its_fields(world: World, live: LiveProcess):
    fan = world.fan("Mina ✨", bonus=2)
    before = live.snapshot(world.room)
    with Stream(live, world.room, since=before["cursor"]) as stream:
        started = time.monotonic()
        answer = live.give(world, fan, "shiny-diamond", message="gg").json()
        events = stream.until("gift.sent")
        assert time.monotonic() - started < 1
    data = events[-1]["data"]
    assert data["line_id"] == answer["id"]
    assert data["sender"] == {
        "id": public_id("usr", fan.id),
        "display_name": "Mina ✨",
        "avatar": fan.id % 6 + 1,
        "anonymous": False,
    }
    assert data["gift"]["id"] == "shiny-diamond"
    assert data["gift"]["price"] == {"units": 1000, "unit": "coin"}
    assert data["total"] == {"units": 1000, "unit": "coin"}
    assert data["bonus"] == {"units": 2, "unit": "coin"}
    assert data["message"] == {"text": "gg", "fragments": [{"type": "text", "text": "gg"}]}
    assert data["room_id"] == data["target"]["id"] == public_id("room", world.room)
    assert data["creator_id"] == public_id("usr", world.creator)
    assert data["is_test"] is True
    assert data["policy_version"] == "share-2026-11"
    assert data["id"].startswith("evt_")
    assert isinstance(data["sequence"], int)


def test_a_streak_is_begun_updated_and_ended_by_the_server(world: World, live: LiveProcess):
    fan = world.fan()
    with Stream(live, world.room, since=live.snapshot(world.room)["cursor"]) as stream:
        answers = []
        for _ in range(4):
            answers.append(live.give(world, fan, "hearts").json())
            time.sleep(0.12)
        events = stream.until("gift.streak.end")
    kinds = [event["type"] for event in events if event["type"].startswith("gift.streak")]
    assert kinds[0] == "gift.streak.begin"
    assert kinds[-1] == "gift.streak.end"
    assert kinds.count("gift.streak.end") == 1
    assert {answer["streak"]["id"] for answer in answers} == {events[-1]["data"]["streak"]["id"]}
    assert [answer["streak"]["total"] for answer in answers] == [1, 2, 3, 4]
    assert events[-1]["data"]["streak"]["total"] == 4
    assert events[-1]["data"]["streak"]["closed_by"] == "timeout"
    deltas = [e["data"]["streak"]["delta"] for e in events if e["type"].startswith("gift.streak")]
    assert sum(deltas) == 4


def test_a_stale_snapshot_and_the_stream_give_the_fresh_snapshot(world: World, live: LiveProcess):
    fans = [world.fan(f"Fan {n}") for n in range(6)]
    stale = live.snapshot(world.room)
    with Stream(live, world.room, since=stale["cursor"]) as stream:
        for index, fan in enumerate(fans * 3):
            live.give(world, fan, "panda" if index % 2 else "hearts", 1 + index % 3)
            if index % 4 == 0:
                live.say(world, fan, f"line {index}")
        fresh = live.snapshot(world.room)
        events = stream.until_cursor(fresh["cursor"])
    assert stable(apply(stale, events)) == stable(fresh)


def test_who_was_away_goes_on_by_cursor(world: World, live: LiveProcess):
    fan = world.fan()
    before = live.snapshot(world.room)["cursor"]
    live.give(world, fan, "tulip")
    after = live.snapshot(world.room)["cursor"]
    for way in ({"since": before}, {"last_event_id": before}):
        with Stream(live, world.room, **way) as stream:
            missed = stream.until_cursor(after)
        assert "gift.streak.begin" in [event["type"] for event in missed]


@pytest.mark.parametrize("since", ["nonsense", "deadbeef0000.00000001", "", "é", "9" * 400])
def test_a_cursor_of_another_life_asks_for_a_fresh_snapshot(world, live, since):
    with Stream(live, world.room, since=since or "x") as stream:
        assert stream.next_event() == {"type": "snapshot.required"}


def test_a_cursor_beyond_the_ring_or_the_end_asks_for_a_fresh_snapshot(
    world: World, live: LiveProcess
):
    epoch = live.snapshot(world.room)["cursor"].partition(".")[0]
    with Stream(live, world.room, since=f"{epoch}.99999999") as stream:
        assert stream.next_event() == {"type": "snapshot.required"}


def test_the_number_of_viewers_is_told(world: World, live: LiveProcess):
    with Stream(live, world.room, since=live.snapshot(world.room)["cursor"]) as first:
        first.until("room.totals")
        with Stream(live, world.room):
            viewers = 0
            while viewers != 2:
                viewers = first.until("room.totals")[-1]["data"]["viewers"]
        while viewers != 1:
            viewers = first.until("room.totals")[-1]["data"]["viewers"]


# -- Other origins --------------------------------------------------------------------------------


def test_pages_of_this_product_may_read_and_write(world: World, live: LiveProcess):
    path = live.room_path(world.room)
    answer = live.client.get(path, headers=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == PUBLIC_URL
    assert answer.headers["vary"] == "origin"
    asked = ORIGIN | {"access-control-request-method": "POST"}
    preflight = live.client.options(path + "/gifts", headers=asked)
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    refusal = live.client.post(path + "/gifts", json={}, headers=ORIGIN)
    assert refusal.status_code == 401
    assert refusal.headers["access-control-allow-origin"] == PUBLIC_URL


@pytest.mark.parametrize("origin", ["https://evil.example", "null", PUBLIC_URL + ".evil.example"])
def test_pages_of_other_origins_may_not(world: World, live: LiveProcess, origin):
    fan, path = world.fan(), live.room_path(world.room)
    headers = {"origin": origin}
    assert "access-control-allow-origin" not in live.client.get(path, headers=headers).headers
    preflight = live.client.options(path + "/gifts", headers=headers)
    assert "access-control-allow-methods" not in preflight.headers
    body = {"key": str(new_key()), "gift": "panda"}
    answer = live.client.post(path + "/gifts", json=body, headers=fan.bearer | headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert world.balance(fan) == 1_000


# -- Comments -------------------------------------------------------------------------------------


def test_a_comment_reaches_the_room_once(world: World, live: LiveProcess):
    fan, key = world.fan(), new_key()
    with Stream(live, world.room, since=live.snapshot(world.room)["cursor"]) as stream:
        first = live.say(world, fan, " <b>hello</b>  שלום ", key)
        again = live.say(world, fan, "<b>hello</b> שלום", key)
        other = live.say(world, fan, "something else", key)
        live.say(world, fan, "the end")
        events = stream.until("comment.sent", 2)
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 422]
    assert first.json() == again.json()
    said = [e["data"]["text"] for e in events if e["type"] == "comment.sent"]
    assert said == ["<b>hello</b> שלום", "the end"]


@pytest.mark.parametrize("text", ["", "   ", "a\u202eb", "x" * 201, None, 5, "a\u0007"])
def test_a_bad_comment_is_refused(world: World, live: LiveProcess, text):
    answer = live.say(world, world.fan(), text)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_comment")


def test_a_flood_of_comments_is_slowed_down(world: World, live: LiveProcess):
    fan = world.fan()
    answers = [live.say(world, fan, f"line {n}") for n in range(8)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429] * 3
