"""The contract of idempotency keys at the live service: a row per case, for gifts and comments.

Source of the cases: The Idempotency-Key HTTP Header Field (IETF draft), section 2.6 and 2.7: 400
without a key, 422 for a key of another request, 409 while the first request is outstanding.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from django.db import connection

from largesse.gifting.models import Comment
from largesse.money.ids import fan_bucket, keyed_id, uuid7
from tests.live.world import COMMITTED, Fan, LiveProcess, World, database_url, new_key

pytestmark = COMMITTED
HOUR = 3_600
DAY = 24 * HOUR
UUID4 = "8f14e45f-ceea-467f-a0e6-9a2f5f6b8a3d"
COMMENT_SCOPE = 1


def key_made(seconds_ago: int) -> str:
    return str(uuid7(time.time_ns() // 1_000_000 - seconds_ago * 1_000, os.urandom(10)))


@dataclass(frozen=True, slots=True)
class Operation:
    """An address that takes a key: what is sent, what would be another wish, what was done."""

    tail: str
    body: dict[str, Any]
    other: dict[str, Any]

    def send(self, live: LiveProcess, world: World, fan: Fan, **change: Any) -> httpx.Response:
        path = live.room_path(world.room, self.tail)
        return live.client.post(path, json={**self.body, **change}, headers=fan.bearer)

    def id_of(self, fan: Fan, key: str) -> UUID:
        inner = UUID(key)
        return keyed_id(fan.id, inner if self is GIFT else keyed_id(COMMENT_SCOPE, inner))

    def done(self, world: World, fan: Fan) -> int:
        """Return how many of it stand in the database for a fan."""
        if self is GIFT:
            return sum(gift["fan"] == fan.id for gift in world.ledger_gifts())
        return Comment.objects.filter(holder=fan.id, gift_seq=0).count()

    def age(self, fan: Fan, key: str, old: str) -> None:
        """Let what stands under `key` stand under a key of long ago."""
        table = "ledger_gift" if self is GIFT else "gifting_comment"
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET id = %s WHERE id = %s",
                [self.id_of(fan, old), self.id_of(fan, key)],
            )
            assert cursor.rowcount == 1


GIFT = Operation("/gifts", {"gift": "panda", "count": 3}, {"count": 2})
COMMENT = Operation("/comments", {"text": "so good"}, {"text": "so bad"})
every_operation = pytest.mark.parametrize("operation", [GIFT, COMMENT], ids=["gift", "comment"])


@every_operation
@pytest.mark.parametrize(
    ("status", "code", "says", "change"),
    [
        (400, "malformed_request", "a new UUIDv7 for every new wish", {}),
        (422, "bad_id", "must be a UUIDv7", {"key": UUID4}),
        (422, "bad_id", "must be a UUIDv7", {"key": "today"}),
        (422, "bad_id", "must be a UUIDv7", {"key": None}),
        (422, "stale_key", "Make a new UUIDv7 from the current time", {"seconds_ago": DAY + 60}),
        (422, "stale_key", "Make a new UUIDv7 from the current time", {"seconds_ago": 31 * DAY}),
        (422, "stale_key", "Make a new UUIDv7 from the current time", {"seconds_ago": -6 * 60}),
    ],
)
def test_a_key_that_cannot_begin_anything_is_told_what_to_send(
    world: World, live: LiveProcess, operation: Operation, status, code, says, change
):
    fan = world.fan()
    # Made now and not when the table was read: a key of the near future soon is one of now.
    if "seconds_ago" in change:
        change = {"key": key_made(change["seconds_ago"])}
    answer = operation.send(live, world, fan, **change)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in problem["detail"]
    assert problem["retry_helps"] is False
    assert operation.done(world, fan) == 0
    assert world.balance(fan) == 1_000


@every_operation
@pytest.mark.parametrize("seconds_ago", [0, DAY - 60, -4 * 60])
def test_a_key_within_its_window_begins_something(
    world: World, live: LiveProcess, operation: Operation, seconds_ago: int
):
    fan = world.fan()
    assert operation.send(live, world, fan, key=key_made(seconds_ago)).status_code == 201
    assert operation.done(world, fan) == 1


@every_operation
def test_the_same_request_is_answered_the_same_and_another_one_refused(
    world: World, live: LiveProcess, operation: Operation
):
    fan, key = world.fan(), str(new_key())
    first = operation.send(live, world, fan, key=key)
    again = operation.send(live, world, fan, key=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert {**first.json(), "replayed": True} == {**again.json(), "replayed": True}
    other = operation.send(live, world, fan, key=key, **operation.other)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["retry_helps"] is False
    assert operation.done(world, fan) == 1


@every_operation
def test_a_key_that_stands_is_answered_for_ever(
    world: World, live: LiveProcess, operation: Operation
):
    fan, key, old = world.fan(), str(new_key()), key_made(31 * DAY)
    first = operation.send(live, world, fan, key=key)
    operation.age(fan, key, old)
    again = operation.send(live, world, fan, key=old)
    assert again.status_code == 200, again.text
    if operation is GIFT:
        assert {**first.json(), "replayed": True} == again.json()
    else:
        assert first.json() | {"id": ""} == again.json() | {"id": ""}
    other = operation.send(live, world, fan, key=old, **operation.other)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert operation.done(world, fan) == 1


@every_operation
def test_two_people_never_share_a_key(world: World, live: LiveProcess, operation: Operation):
    mina, noa, key = world.fan("Mina"), world.fan("Noa"), str(new_key())
    assert operation.send(live, world, mina, key=key).status_code == 201
    assert operation.send(live, world, noa, key=key, **operation.other).status_code == 201
    assert operation.done(world, mina) == operation.done(world, noa) == 1


def test_one_key_may_stand_for_a_gift_and_a_comment(world: World, live: LiveProcess):
    fan, key = world.fan(), str(new_key())
    assert COMMENT.send(live, world, fan, key=key).status_code == 201
    given = GIFT.send(live, world, fan, key=key, message="so good")
    assert given.status_code == 201
    assert GIFT.send(live, world, fan, key=key, message="so good").json()["message"] == "so good"
    assert COMMENT.done(world, fan) == GIFT.done(world, fan) == 1


def test_the_words_of_a_gift_are_part_of_the_wish(world: World, live: LiveProcess):
    fan, key = world.fan(), str(new_key())
    assert GIFT.send(live, world, fan, key=key, message="for you").status_code == 201
    assert GIFT.send(live, world, fan, key=key, message="for you").status_code == 200
    for message in ("for me", None):
        other = GIFT.send(live, world, fan, key=key, message=message)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    # What a crash between the gift's commit and its words' left out, the retry brings.
    Comment.objects.filter(holder=fan.id).delete()
    assert GIFT.send(live, world, fan, key=key, message="for you").status_code == 200
    [said] = Comment.objects.filter(holder=fan.id)
    assert said.text == "for you"


def test_a_new_price_does_not_make_an_old_gift_another_wish(world: World, live: LiveProcess):
    fan, key = world.fan(), str(new_key())
    first = GIFT.send(live, world, fan, key=key)

    def price(coins: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE catalog_gift SET coins = %s WHERE slug = 'panda'", [coins])

    price(7)
    try:
        deadline = time.monotonic() + 5
        while (
            GIFT.send(live, world, world.fan(), key=str(new_key())).json()["total"]["units"] != 21
        ):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        again = GIFT.send(live, world, fan, key=key)
    finally:
        price(5)
    assert again.status_code == 200, again.text
    assert again.json()["total"] == first.json()["total"] == {"units": 15, "unit": "coin"}
    assert world.balance(fan) == 985


@every_operation
def test_a_closed_room_still_answers_what_was_done_in_it(
    world: World, live: LiveProcess, operation: Operation
):
    fan, key = world.fan(), str(new_key())
    assert operation.send(live, world, fan, key=key).status_code == 201
    world.close_room()
    try:
        deadline = time.monotonic() + 5
        while operation.send(live, world, world.fan(), key=str(new_key())).status_code != 409:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert operation.send(live, world, fan, key=key).status_code == 200
        refused = operation.send(live, world, fan, key=str(new_key()))
        assert (refused.status_code, refused.json()["code"]) == (409, "room_closed")
        assert refused.json()["retry_helps"] is False
    finally:
        world.open_room()


# -- While the first request is not decided ------------------------------------------------------


@contextmanager
def held_up(operation: Operation, world: World, fan: Fan, key: str) -> Iterator[None]:
    """Keep the database from deciding: a gift waits for its lane, a comment for its key."""
    with psycopg.connect(database_url()) as other:
        if operation is GIFT:
            lane = "SELECT 1 FROM ledger_bucket WHERE bucket = %s FOR UPDATE"
            other.execute(lane, [fan_bucket(fan.id)])
        else:
            other.execute(
                "INSERT INTO gifting_comment (id, room, holder, gift_seq, text, at) "
                "VALUES (%s, %s, %s, 0, 'never committed', now())",
                [operation.id_of(fan, key), world.room, fan.id],
            )
        yield
        other.rollback()


def wait_for_blocked(number: int) -> None:
    deadline = time.monotonic() + 10
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(blocked)
            if cursor.fetchone()[0] >= number:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


@every_operation
def test_until_the_first_request_is_decided_the_same_key_is_told_to_come_back(
    world: World, live: LiveProcess, operation: Operation
):
    fan, key = world.fan(), str(new_key())
    with ThreadPoolExecutor(1) as threads:
        with held_up(operation, world, fan, key):
            first = threads.submit(operation.send, live, world, fan, key=key)
            wait_for_blocked(1)
            # Whether it is the same wish is not known yet either: the first may still be refused.
            for change in ({}, operation.other):
                answer = operation.send(live, world, fan, key=key, **change)
                problem = answer.json()
                assert (answer.status_code, problem["code"]) == (409, "idempotency_key_in_use")
                assert answer.headers["retry-after"] == "1"
                assert answer.headers["content-type"] == "application/problem+json"
                assert problem["retry_helps"] is True
        assert first.result().status_code == 201
    assert operation.send(live, world, fan, key=key).status_code == 200
    assert operation.done(world, fan) == 1


def test_a_key_is_free_again_when_its_first_request_was_refused(world: World, live: LiveProcess):
    fan, key = world.fan(coins=10), str(new_key())
    assert GIFT.send(live, world, fan, key=key).status_code == 402
    assert GIFT.send(live, world, fan, key=key, count=2).status_code == 201
    assert world.balance(fan) == 0


@pytest.mark.slow
@every_operation
def test_two_processes_leave_the_decision_to_the_database(
    world: World, live: LiveProcess, operation: Operation
):
    fan, key = world.fan(), str(new_key())
    second = LiveProcess()
    sent: list[Future[httpx.Response]] = []
    try:
        with ThreadPoolExecutor(2) as threads, held_up(operation, world, fan, key):
            for process in (live, second):
                sent.append(threads.submit(operation.send, process, world, fan, key=key))
                wait_for_blocked(len(sent))
        answers = [one.result() for one in sent]
    finally:
        assert second.stop() == 0
    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert operation.done(world, fan) == 1


def test_a_moved_sandbox_clock_takes_keys_of_both_clocks(world: World, live: LiveProcess):
    def move(seconds: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE largesse_clock SET offset_seconds = %s", [seconds])

    fan = world.fan()
    move(15 * DAY)
    try:
        fan.token = world.token(fan.id, now=world.now + timedelta(days=15))
        deadline = time.monotonic() + 5
        while GIFT.send(live, world, fan, key=key_made(-15 * DAY)).status_code != 201:
            assert time.monotonic() < deadline
            time.sleep(0.3)
        assert GIFT.send(live, world, fan, key=key_made(0)).status_code == 201
        assert GIFT.send(live, world, fan, key=key_made(2 * DAY)).json()["code"] == "stale_key"
    finally:
        move(0)
    # The pace of a fan is kept by the product's time, which never runs back but here.
    fan = world.fan()
    deadline = time.monotonic() + 5
    while GIFT.send(live, world, fan, key=key_made(-15 * DAY)).status_code != 422:
        assert time.monotonic() < deadline
        time.sleep(0.3)
