"""`kill -9` of postgres and of the live process under the whole product, while fans give.

Every gift that was acknowledged stands in the books once; every gift that was not is sent again
with its key until it is, and then stands once as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg

from largesse.adapters.postgres.server import running_url
from largesse.gifting import tokens
from largesse.money.ids import HolderId, RoomId, keyed_id, public_id, uuid7
from running import Product, running

GIVERS = 6
GIFTS = 40
KILLS = 4


def query(product: Product, sql: str) -> list[tuple[Any, ...]]:
    """Ask the product's own database."""
    url = running_url(product.data)
    assert url is not None
    with psycopg.connect(url) as connection:
        return connection.execute(sql).fetchall()


def bearer(product: Product, fan: HolderId, room: RoomId) -> dict[str, str]:
    """Sign a room token as the product's pages do."""
    key = tokens.signing_key((product.data / "secret").read_text().strip())
    token = tokens.issue(
        key, holder=fan, name="Giver", room=room, role="fan", now=datetime.now(UTC)
    )
    return {"Authorization": f"Bearer {token}"}


def live_pid() -> int:
    """The process that is the product's live service: a child of this test's product."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        words = entry.read_bytes().split(b"\0")
        if b"largesse.live" in words and _is_ours(entry.parent):
            return int(entry.parent.name)
    return 0


def _is_ours(process: Path) -> bool:
    """True for a process that descends from this one."""
    while process.name != "0":
        parent = (process / "stat").read_text().rsplit(")", 1)[1].split()[1]
        if int(parent) == os.getpid():
            return True
        process = Path("/proc") / parent
    return False


async def give_all(url: str, headers: dict[str, str], acknowledged: list[str]) -> None:
    """Give one gift after the other, each with its key until it is acknowledged."""
    async with httpx.AsyncClient(timeout=10, headers=headers) as client:
        for _ in range(GIFTS):
            key = str(uuid7(time.time_ns() // 1_000_000, os.urandom(10)))
            body = {"key": key, "gift": "hearts", "count": 1}
            status = 0
            while status not in (200, 201):
                try:
                    status = (await client.post(url, json=body)).status_code
                except httpx.HTTPError:
                    status = 0
                assert status in (0, 200, 201, 409, 429, 503), status
                await asyncio.sleep(random.uniform(0.01, 0.1))
            acknowledged.append(key)


async def kill_now_and_then(product: Product, givers: list[asyncio.Task[None]]) -> int:
    """Kill postgres and the live service in turn while gifts are under way."""
    killed = 0
    for n in range(KILLS):
        await asyncio.sleep(1.5)
        if all(giver.done() for giver in givers):
            break
        pid_file = product.data / "postgres" / "cluster" / "postmaster.pid"
        victim = live_pid() if n % 2 else int(pid_file.read_text().split()[0])
        if victim:
            os.kill(victim, signal.SIGKILL)
            killed += 1
    return killed


def test_no_acknowledged_gift_is_lost_and_none_is_doubled(tmp_path):
    with running(["demo"], tmp_path / "data") as product:
        [(room,)] = query(product, "SELECT min(id) FROM gifting_room WHERE status = 'open'")
        fans = query(
            product,
            "SELECT holder FROM ledger_wallet w JOIN gifting_room r ON r.id = "
            f"{room} AND r.creator <> w.holder WHERE paid_issued - paid_next > 200 AND NOT frozen "
            f"AND debt = 0 AND paid_void = 0 ORDER BY paid_issued - paid_next DESC LIMIT {GIVERS}",
        )
        live = httpx.URL(product.url).copy_with(port=(httpx.URL(product.url).port or 0) + 1)
        url = str(live.join(f"/live/rooms/{public_id('room', room)}/gifts"))
        acknowledged: list[list[str]] = [[] for _ in fans]

        async def scenario() -> int:
            givers = [
                asyncio.create_task(give_all(url, bearer(product, fan, room), sent))
                for (fan,), sent in zip(fans, acknowledged, strict=True)
            ]
            killed = await kill_now_and_then(product, givers)
            await asyncio.wait_for(asyncio.gather(*givers), 120)
            return killed

        assert asyncio.run(scenario()) >= 2
        counts = {
            str(found): times
            for found, times in query(product, "SELECT id, count(*) FROM ledger_gift GROUP BY id")
        }
        assert len(fans) == GIVERS
        for (fan,), sent in zip(fans, acknowledged, strict=True):
            assert len(sent) == GIFTS
            ids = [str(keyed_id(fan, UUID(key))) for key in sent]
            assert [counts.get(one) for one in ids] == [1] * GIFTS
        checked = product.command("books", "check", "--json")
        assert checked.returncode == 0, checked.stdout
        assert json.loads(checked.stdout)["ok"] is True
