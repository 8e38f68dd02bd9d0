"""The memory of a live process that takes gifts over HTTP.

Owns its start on a ledger of the benchmark, the gifts that it is sent, and its end. Must not import
the live service: it is a process. Invariant: the gifts that were answered are those in the books.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import connection

from largesse.adapters import clock
from largesse.gifting import tokens
from largesse.gifting.services import open_room
from largesse.money.ids import HolderId, RoomId, public_id, uuid7
from largesse.people.services import HolderRow, import_holders
from largesse.simulator.bench import ledgers
from largesse.simulator.bench.gifts import FANS, FIRST_CREATOR, FIRST_FAN
from largesse.simulator.bench.pages import use_database
from largesse.simulator.bench.plan import HISTORY

_SENDERS = 64
_GIFTS = 4_000
_START_SECONDS = 60
_STOP_SECONDS = 15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROOM = RoomId(9_000_001)
_CHEAPEST = "SELECT slug FROM catalog_gift WHERE NOT streakable ORDER BY coins LIMIT 1"


class LiveFailed(Exception):
    """The live process did not start, refused a gift, or lost one."""


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    port: int


def live_megabytes(url: str) -> float | None:
    """Return the most memory that a live process held, in MB; None where the system does not say.

    It serves one room and takes some thousand gifts over HTTP, from senders that wait for their
    answers. Raises LiveFailed.
    """
    secret = secrets.token_urlsafe(32)
    use_database(url)
    now = clock.now()
    creator = HolderId(FIRST_CREATOR)
    import_holders([HolderRow(creator, "bench", "Bench", is_creator=True)], now)
    open_room(room_id=_ROOM, creator=creator, title="Benchmark", now=now)
    with connection.cursor() as cursor:
        cursor.execute(_CHEAPEST)
        (gift,) = cursor.fetchone()
    connection.close()
    with _running(url, secret) as process:
        asyncio.run(_give(process.port, gift, tokens.signing_key(secret)))
        found = _peak_megabytes(process.pid)
    held = ledgers.weigh(url).gifts - sum(HISTORY.values())
    if held != _GIFTS:
        raise LiveFailed(f"{_GIFTS:,} gifts were answered over HTTP, the books hold {held:,}.")
    return found


async def _give(port: int, gift: str, key: bytes) -> None:
    """Send the gifts, each of the next fan; raises LiveFailed for one that is refused."""
    numbers = iter(range(_GIFTS))
    await asyncio.gather(*(_send(port, gift, key, numbers) for _ in range(_SENDERS)))


async def _send(port: int, gift: str, key: bytes, numbers: Iterator[int]) -> None:
    """Give over one connection, as plainly as HTTP allows: a client library costs more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        now = clock.now()
        fan = HolderId(FIRST_FAN + number % FANS)
        token = tokens.issue(key, holder=fan, name=f"Fan {number}", room=_ROOM, role="fan", now=now)
        gift_key = uuid7((now - _EPOCH) // timedelta(milliseconds=1), secrets.token_bytes(10))
        body = json.dumps({"key": str(gift_key), "gift": gift, "count": 1})
        writer.write(
            f"POST /live/rooms/{public_id('room', _ROOM)}/gifts HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            f"{body}".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0])
        text = (await reader.readexactly(length)).decode()
        if not head.startswith("http/1.1 201 "):
            raise LiveFailed(f"The live process refused a gift: {text}")
    writer.close()
    await writer.wait_closed()


@contextmanager
def _running(url: str, secret: str) -> Iterator[_Process]:
    """Run a live process on a port of its own until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    child = subprocess.Popen(
        [sys.executable, "-m", "largesse.live", "--port", str(port)],
        env={
            **os.environ,
            "DATABASE_URL": url,
            "LARGESSE_SECRET": secret,
            "LARGESSE_SANDBOX": "1",
            "LARGESSE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        },
    )
    try:
        _await_ready(child, port)
        yield _Process(child.pid, port)
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await_ready(child: subprocess.Popen[bytes], port: int) -> None:
    """Return when the process takes connections: by then it has reached the database."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise LiveFailed("The live process did not start; what it said is above.")


def _peak_megabytes(pid: int) -> float | None:
    """Return the peak of a process's resident memory, as Linux tells it."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    for line in status.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) / 1000
    return None
