"""Whose pages may call the live service, over HTTP."""

from __future__ import annotations

import pytest

from largesse.live.exchange import allowed_origins
from tests.live.world import COMMITTED, PUBLIC_URL, LiveProcess, World, new_key

pytestmark = COMMITTED
OWN_NAMES = [PUBLIC_URL.replace("127.0.0.1", name) for name in ("127.0.0.1", "localhost", "[::1]")]
FOREIGN = [
    "http://localhost:8001",
    "http://localhost",
    "https://localhost:8000",
    "http://localhost.gifts.example:8000",
    "http://127.0.0.2:8000",
    "https://gifts.example",
    "null",
]


@pytest.mark.parametrize("origin", OWN_NAMES)
def test_a_page_under_each_name_of_this_machine_may_call(
    world: World, live: LiveProcess, origin: str
):
    path = live.room_path(world.room)
    asked = live.client.options(f"{path}/gifts", headers={"origin": origin})
    assert asked.headers["access-control-allow-origin"] == origin
    assert "authorization" in asked.headers["access-control-allow-headers"]
    read = live.client.get(path, headers={"origin": origin})
    assert read.headers["access-control-allow-origin"] == origin
    fan = world.fan()
    body = {"key": str(new_key()), "gift": "panda"}
    sent = live.client.post(f"{path}/gifts", json=body, headers={"origin": origin, **fan.bearer})
    assert sent.status_code == 201, sent.text


@pytest.mark.parametrize("origin", FOREIGN)
def test_another_port_scheme_or_host_may_not(world: World, live: LiveProcess, origin: str):
    path = live.room_path(world.room)
    assert (
        "access-control-allow-origin"
        not in live.client.get(path, headers={"origin": origin}).headers
    )
    fan = world.fan()
    body = {"key": str(new_key()), "gift": "panda"}
    sent = live.client.post(f"{path}/gifts", json=body, headers={"origin": origin, **fan.bearer})
    assert (sent.status_code, sent.json()["code"]) == (403, "foreign_origin")
    assert world.balance(fan) == 1_000


def test_elsewhere_one_origin_alone_may_call():
    assert allowed_origins("https://gifts.example") == {"https://gifts.example"}
    assert allowed_origins("http://192.0.2.10:8000") == {"http://192.0.2.10:8000"}
