"""A world for the live service: a creator with an open room, the catalogue, and fans with coins.

Owns its seeding, its rows' end, and the live service's process. Must not know what a test asserts.
Invariant: everything is committed, because the live service reads it over connections of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import msgspec
import pytest
from django.conf import settings
from django.db import connection, transaction

from largesse.adapters.postgres.book import DjangoBook
from largesse.catalog.models import CoinPackage, Gift, PriceBook, SpendPolicy
from largesse.catalog.services import load_launch_catalogue
from largesse.earnings.models import SharePolicy
from largesse.gifting import services, tokens
from largesse.gifting.models import Comment, GiftLine, Room, RoomTally, TallyMark
from largesse.ledger.rules import Payment, bonus_granted, recharge_captured
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, RoomId, id_from_bytes, public_id, uuid7
from largesse.people.models import Holder
from tests.adapters.postgres.ledger_world import empty_ledger

COMMITTED = pytest.mark.django_db(transaction=True, available_apps=["largesse.adapters.postgres"])
"""Marks tests whose rows are committed; the app named has no models, so Django empties nothing."""

PUBLIC_URL = "http://127.0.0.1:8000"
ORIGIN = {"origin": PUBLIC_URL}


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_key() -> UUID:
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def new_id() -> int:
    return id_from_bytes(os.urandom(8))


@dataclass(slots=True)
class Fan:
    """A person with a room token."""

    id: HolderId
    name: str
    token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


@dataclass(slots=True)
class World:
    """One creator and one room; fans as a test needs them."""

    now: datetime = field(default_factory=utc_now)
    holders: list[int] = field(default_factory=list)
    creator: HolderId = field(init=False)
    room: RoomId = field(init=False)

    def __post_init__(self) -> None:
        _ensure_policy()
        load_launch_catalogue(self.now)
        self.creator = self.new_holder("Aria", creator=True)
        self.open_room()

    def open_room(self) -> RoomId:
        """Open a room; the one before must be closed."""
        self.room = RoomId(new_id())
        services.open_room(
            room_id=self.room, creator=self.creator, title="Evening songs", now=self.now
        )
        return self.room

    def close_room(self) -> None:
        """Close the open room."""
        services.close_room(self.room, creator=self.creator, now=self.now)

    def new_holder(self, name: str, *, creator: bool = False) -> HolderId:
        holder = HolderId(new_id())
        Holder.objects.create(
            id=holder,
            handle=f"h-{holder}",
            display_name=name,
            is_creator=creator,
            created_at=self.now,
        )
        self.holders.append(holder)
        return holder

    def fan(self, name: str = "Mina", *, coins: int = 1_000, bonus: int = 0) -> Fan:
        """Return a fan with this many paid and bonus coins, who holds a token of the room."""
        holder = self.new_holder(name)
        journals = []
        if coins:
            price = Payment(Amount(coins, asset("USD")), Amount(0, asset("USD")), "web", "rch_x")
            journals.append(recharge_captured(new_key(), self.now, holder, coins, price))
        if bonus:
            journals.append(bonus_granted(new_key(), self.now, holder, bonus, "welcome"))
        with transaction.atomic():
            DjangoBook().post(journals)
        return Fan(holder, name, self.token(holder, name))

    def token(self, holder: HolderId, name: str = "Mina", **changes: Any) -> str:
        key = tokens.signing_key(settings.CONFIG.secret)
        facts: dict[str, Any] = {"room": self.room, "role": "fan", "now": utc_now()} | changes
        return tokens.issue(key, holder=holder, name=name, **facts)

    def balance(self, fan: Fan) -> int:
        return DjangoBook().wallet(fan.id).spendable

    def ledger_gifts(self, room: RoomId | None = None) -> list[dict[str, Any]]:
        """Return the committed gifts of a room."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT fan, id, coins, count, seq, streak_seq FROM ledger_gift WHERE room = %s "
                "ORDER BY bucket, seq",
                [room or self.room],
            )
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def tallies(self) -> list[RoomTally]:
        """Return what the tally says of the room."""
        return list(RoomTally.objects.filter(room=self.room))

    def clear(self) -> None:
        """Remove every row that the module made."""
        empty_ledger()
        rooms = list(Room.objects.filter(creator=self.creator).values_list("id", flat=True))
        for model in (Comment, GiftLine, RoomTally):
            model.objects.filter(room__in=rooms).delete()
        TallyMark.objects.all().delete()
        Room.objects.filter(id__in=rooms).delete()
        Holder.objects.filter(id__in=self.holders).delete()
        CoinPackage.objects.all().delete()
        PriceBook.objects.all().delete()
        SpendPolicy.objects.all().delete()
        Gift.objects.all().delete()


def _ensure_policy() -> None:
    """Restore the first policy, where a test that empties all tables ran before."""
    SharePolicy.objects.get_or_create(
        number=1,
        defaults={
            "version": "share-2026-11",
            "share_bp": 5_000,
            "hold_days": 7,
            "currency": "USD",
            "coin_gross_micro": 9_980,
            "tax_bp": 600,
            "fee_bp": 500,
            "effective_at": datetime(2000, 1, 1, tzinfo=UTC),
            "created_at": datetime(2026, 11, 1, tzinfo=UTC),
        },
    )


def database_url() -> str:
    """Return the address of the test database, for a process of its own."""
    name = connection.settings_dict["NAME"]
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def environment(public_url: str) -> dict[str, str]:
    """Return what a process of the product needs to share the test's database and secret."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url(),
        "LARGESSE_DATA": str(settings.CONFIG.data_dir),
        "LARGESSE_SECRET": settings.CONFIG.secret,
        "LARGESSE_PUBLIC_URL": public_url,
        "LARGESSE_SANDBOX": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveProcess:
    """The live service as a process."""

    def __init__(self, *, port: int = 0, public_url: str = PUBLIC_URL) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "largesse.live", "--port", str(self.port)],
            env=environment(public_url),
        )
        self.client = httpx.Client(base_url=self.url, timeout=10)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if self.client.get("/live/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                assert self._process.poll() is None, "the live service ended at once"
            time.sleep(0.05)
        raise AssertionError("the live service did not become ready")

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.client.close()

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=15)
        self.client.close()
        return code

    # -- Requests -------------------------------------------------------------------------------

    def room_path(self, room: RoomId, tail: str = "") -> str:
        return f"/live/rooms/{public_id('room', room)}{tail}"

    def give(self, world: World, fan: Fan, gift: str, count: object = 1, **more: Any):
        body = {"key": str(new_key()), "gift": gift, "count": count} | more
        path = self.room_path(world.room, "/gifts")
        return self.client.post(path, json=body, headers=fan.bearer)

    def say(self, world: World, fan: Fan, text: object, key: UUID | None = None):
        path = self.room_path(world.room, "/comments")
        body = {"key": str(key or new_key()), "text": text}
        return self.client.post(path, json=body, headers=fan.bearer)

    def snapshot(self, room: RoomId) -> dict[str, Any]:
        answer = self.client.get(self.room_path(room))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


class Stream:
    """An event stream, read message by message."""

    def __init__(self, live: LiveProcess, room: RoomId, **query: str) -> None:
        self._client = httpx.Client(base_url=live.url, timeout=httpx.Timeout(10, read=20))
        path = live.room_path(room, "/events")
        headers = {"last-event-id": query.pop("last_event_id")} if "last_event_id" in query else {}
        request = self._client.build_request("GET", path, params=query, headers=headers)
        self.response = self._client.send(request, stream=True)
        self._lines = self.response.iter_lines()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.response.close()
        self._client.close()

    def next_event(self) -> dict[str, Any]:
        """Return the next message's data."""
        data = ""
        for line in self._lines:
            if line.startswith("data: "):
                data += line[6:]
            elif not line and data:
                found: dict[str, Any] = msgspec.json.decode(data)
                return found
        raise AssertionError("the stream ended")

    def until(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Return all events up to the `count`-th of a kind."""
        events = []
        while count:
            events.append(self.next_event())
            count -= events[-1]["type"] == kind
        return events

    def until_cursor(self, cursor: str) -> list[dict[str, Any]]:
        """Return all events up to and including the one at a cursor."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["data"]["cursor"] != cursor:
            events.append(self.next_event())
        return events
