"""Gifts over HTTP: what is posted, what is refused and how, a row per outcome."""

from __future__ import annotations

import json
import time
from uuid import NAMESPACE_DNS, uuid5

import pytest
from django.db import connection

from largesse.money.ids import RoomId, public_id
from tests.live.world import COMMITTED, PUBLIC_URL, LiveProcess, World, new_id, new_key

pytestmark = COMMITTED


def test_a_gift_is_posted_and_answered_with_the_balance(world: World, live: LiveProcess):
    fan = world.fan(coins=1_000, bonus=10)
    answer = live.give(world, fan, "shiny-diamond", message="  so   good ")
    assert answer.status_code == 201, answer.text
    gift = answer.json()
    assert gift["id"].startswith("gft_")
    assert gift["room_id"] == public_id("room", world.room)
    assert gift["total"] == {"units": 1000, "unit": "coin"}
    assert gift["bonus"] == {"units": 10, "unit": "coin"}
    assert gift["paid"] == {"units": 990, "unit": "coin"}
    assert gift["balance"] == {"units": 10, "unit": "coin"}
    assert gift["streak"] is None
    assert gift["message"] == "so good"
    assert gift["is_test"] is True
    assert gift["policy_version"] == "share-2026-11"
    assert gift["replayed"] is False
    assert world.balance(fan) == 10


def test_the_same_key_is_answered_again_and_charged_once(world: World, live: LiveProcess):
    fan = world.fan()
    key = str(new_key())
    first = live.give(world, fan, "panda", 3, key=key)
    live.give(world, fan, "panda", 2)
    again = live.give(world, fan, "panda", 3, key=key)
    assert (first.status_code, again.status_code) == (201, 200)
    before, after = first.json(), again.json()
    assert after.pop("replayed") is True
    assert before.pop("replayed") is False
    assert after.pop("balance")["units"] == 1_000 - 25
    assert before.pop("balance")["units"] == 1_000 - 15
    assert before == after
    assert world.balance(fan) == 975


def test_another_body_under_a_used_key_is_refused(world: World, live: LiveProcess):
    fan = world.fan()
    key = str(new_key())
    live.give(world, fan, "panda", 1, key=key)
    answer = live.give(world, fan, "panda", 2, key=key)
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert world.balance(fan) == 995


def test_two_fans_may_use_one_key(world: World, live: LiveProcess):
    mina, noa = world.fan("Mina"), world.fan("Noa")
    key = str(new_key())
    assert live.give(world, mina, "panda", key=key).status_code == 201
    assert live.give(world, noa, "panda", key=key).status_code == 201


def test_an_empty_wallet_is_told_the_exact_shortfall_and_the_way_back(
    world: World, live: LiveProcess
):
    fan = world.fan(coins=100)
    answer = live.give(world, fan, "shiny-diamond")
    assert answer.status_code == 402
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:largesse:problem:insufficient_coins"
    assert problem["shortfall"] == {"units": 900, "unit": "coin"}
    room = public_id("room", world.room)
    assert problem["store_url"] == f"{PUBLIC_URL}/store/?need=900&gift=shiny-diamond&room={room}"
    assert world.balance(fan) == 100
    nobody = world.fan(coins=0, bonus=1)
    assert live.give(world, nobody, "panda").json()["shortfall"]["units"] == 4


UUID4 = "8f14e45f-ceea-467f-a0e6-9a2f5f6b8a3d"


@pytest.mark.parametrize(
    ("status", "code", "change"),
    [
        (422, "bad_id", {"key": UUID4}),
        (422, "bad_id", {"key": str(uuid5(NAMESPACE_DNS, "x"))}),
        (422, "bad_id", {"key": ""}),
        (422, "bad_id", {"key": None}),
        (422, "bad_id", {"key": 7}),
        (422, "bad_id", {"key": ["a"]}),
        (422, "bad_id", {"key": "x" * 9_000}),
        (400, "malformed_request", {"gift": None}),
        (400, "malformed_request", {"gift": 4}),
        (404, "unknown_gift", {"gift": "unicorn"}),
        (404, "unknown_gift", {"gift": "x" * 5_000}),
        (422, "bad_count", {"count": 0}),
        (422, "bad_count", {"count": -3}),
        (422, "bad_count", {"count": True}),
        (422, "bad_count", {"count": 1.0}),
        (422, "bad_count", {"count": 1.5}),
        (422, "bad_count", {"count": "2"}),
        (422, "bad_count", {"count": None}),
        (422, "bad_count", {"count": 10**30}),
        (422, "bad_count", {"count": 1_000}),
        (422, "bad_count", {"gift": "shiny-diamond", "count": 2}),
        (422, "bad_comment", {"message": "a\u202eb"}),
        (422, "bad_comment", {"message": 5}),
        (422, "bad_comment", {"message": "x" * 121}),
    ],
)
def test_a_bad_order_posts_nothing(world: World, live: LiveProcess, status, code, change):
    fan = world.fan()
    body = {"key": str(new_key()), "gift": "panda", "count": 1} | change
    answer = live.client.post(live.room_path(world.room, "/gifts"), json=body, headers=fan.bearer)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["retry_helps"] is False
    assert answer.json()["detail"]
    assert world.balance(fan) == 1_000


def test_a_random_key_is_told_what_to_send(world: World, live: LiveProcess):
    detail = live.give(world, world.fan(), "panda", key=UUID4).json()["detail"]
    assert "UUIDv7" in detail


@pytest.mark.parametrize(
    ("status", "code", "content", "kind"),
    [
        (400, "malformed_request", b"", "application/json"),
        (400, "malformed_request", b"{", "application/json"),
        (400, "malformed_request", b'{"a":1}x', "application/json"),
        (400, "malformed_request", b"[]", "application/json"),
        (400, "malformed_request", b"null", "application/json"),
        (400, "malformed_request", b"\xff\xfe", "application/json"),
        (400, "malformed_request", b'{"count": 1e999}', "application/json"),
        (400, "malformed_request", b'{"count": NaN}', "application/json"),
        (400, "malformed_request", b"[" * 9_000, "application/json"),
        (400, "malformed_request", b'{"key": "\xed\xa0\x80"}', "application/json"),
        (413, "body_too_large", b'{"a":"' + b"x" * 20_000 + b'"}', "application/json"),
        (415, "unsupported_media_type", b"{}", "text/plain"),
        (415, "unsupported_media_type", b"{}", ""),
    ],
)
def test_a_body_that_cannot_be_read(world, live, status, code, content, kind):
    headers = world.fan(coins=1).bearer | {"content-type": kind}
    answer = live.client.post(
        live.room_path(world.room, "/gifts"), content=content, headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_without_length_is_bounded_too(world: World, live: LiveProcess):
    headers = world.fan(coins=1).bearer | {"content-type": "application/json"}
    answer = live.client.post(
        live.room_path(world.room, "/gifts"),
        content=(b"x" * 1_000 for _ in range(40)),
        headers=headers,
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("token", ["", "Basic abc", "Bearer", "Bearer x.y", "Bearer \u00fc"])
def test_without_a_token_nothing_is_posted(world: World, live: LiveProcess, token):
    answer = live.client.post(
        live.room_path(world.room, "/gifts"),
        json={"key": str(new_key()), "gift": "panda"},
        headers={"authorization": token.encode("latin-1")},
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_room_token")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_of_another_room_or_time_is_refused(world: World, live: LiveProcess):
    fan = world.fan()
    elsewhere = world.token(fan.id, room=RoomId(new_id()))
    old = world.token(fan.id, now=world.now.replace(year=2020))
    tampered = fan.token[:-3] + ("AAA" if not fan.token.endswith("AAA") else "BBB")
    for token in (elsewhere, old, tampered):
        fan.token = token
        assert live.give(world, fan, "panda").status_code == 401


def test_the_creator_does_not_gift_in_the_own_room(world: World, live: LiveProcess):
    creator = world.fan()
    creator.token = world.token(world.creator, role="creator")
    answer = live.give(world, creator, "panda")
    assert (answer.status_code, answer.json()["code"]) == (422, "self_gift")


def test_a_room_that_does_not_exist(world: World, live: LiveProcess):
    fan, room = world.fan(), RoomId(new_id())
    fan.token = world.token(fan.id, room=room)
    body = {"key": str(new_key()), "gift": "panda"}
    answer = live.client.post(live.room_path(room, "/gifts"), json=body, headers=fan.bearer)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_room")
    assert live.client.get(live.room_path(room)).status_code == 404
    assert live.client.get("/live/rooms/room_x").json()["code"] == "unknown_room"
    assert live.client.get("/live/rooms/").json()["code"] == "unknown_room"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown_address"),
        ("GET", "/live/other", 404, "unknown_address"),
        ("GET", "{room}/other", 404, "unknown_address"),
        ("GET", "{room}/gifts", 405, "wrong_method"),
        ("DELETE", "{room}", 405, "wrong_method"),
        ("POST", "{room}/events", 405, "wrong_method"),
    ],
)
def test_addresses_that_answer_nothing(world, live, method, path, status, code):
    answer = live.client.request(method, path.replace("{room}", live.room_path(world.room)))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert status != 405 or "OPTIONS" in answer.headers["allow"]


def test_a_blocked_wallet_is_refused(world: World, live: LiveProcess):
    fan = world.fan()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_wallet SET frozen = true WHERE holder = %s", [fan.id])
    answer = live.give(world, fan, "panda")
    assert (answer.status_code, answer.json()["code"]) == (403, "wallet_blocked")


def test_a_hasty_fan_is_slowed_down(world: World, live: LiveProcess):
    fan = world.fan()
    answers = [live.give(world, fan, "hearts") for _ in range(80)]
    late = [answer for answer in answers if answer.status_code == 429]
    assert late, "80 taps in a moment pass"
    assert int(late[0].headers["retry-after"]) >= 1
    assert late[0].json()["retry_helps"] is True
    posted = sum(answer.status_code == 201 for answer in answers)
    assert world.balance(fan) == 1_000 - posted


def test_a_gift_for_a_closed_room_is_refused_within_seconds(world: World, live: LiveProcess):
    fan = world.fan()
    assert live.give(world, fan, "panda").status_code == 201
    world.close_room()
    deadline = time.monotonic() + 5
    while (answer := live.give(world, fan, "hearts")).status_code != 409:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert answer.json()["code"] == "room_closed"
    assert live.say(world, fan, "too late").status_code == 409
    assert live.snapshot(world.room)["status"] == "closed"
    world.open_room()


def test_problem_bodies_are_json_with_a_status(world: World, live: LiveProcess):
    answer = live.client.get("/nowhere")
    assert json.loads(answer.text)["status"] == answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
