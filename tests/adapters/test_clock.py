"""The clock: aware UTC, and in the sandbox an offset that is read at most every half second."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from largesse.adapters import clock
from largesse.adapters.clock import Clock

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

TABLE_SQL = """
    CREATE TEMPORARY TABLE largesse_clock (
        id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        offset_seconds bigint NOT NULL DEFAULT 0 CHECK (offset_seconds >= 0)
    )
"""


class World:
    """A row that can be changed, and a time that stands until it is moved."""

    def __init__(self) -> None:
        self.offset_seconds = 0
        self.reads = 0
        self.monotonic_seconds = 100.0

    def read(self) -> int:
        self.reads += 1
        return self.offset_seconds

    def clock(self) -> Clock:
        return Clock(
            self.read,
            system_time=lambda: NOON,
            monotonic_seconds=lambda: self.monotonic_seconds,
        )


def test_offset_is_added() -> None:
    world = World()
    world.offset_seconds = 86_400
    assert world.clock().now() == NOON + timedelta(days=1)


def test_offset_is_read_again_after_half_a_second_only() -> None:
    world = World()
    running = world.clock()
    assert running.now() == NOON
    world.offset_seconds = 60
    world.monotonic_seconds += 0.499
    assert running.now() == NOON
    assert world.reads == 1
    world.monotonic_seconds += 0.001
    assert running.now() == NOON + timedelta(seconds=60)
    assert world.reads == 2


def test_forgotten_offset_is_read_at_once() -> None:
    world = World()
    running = world.clock()
    running.now()
    world.offset_seconds = 5
    running.forget_offset()
    assert running.now() == NOON + timedelta(seconds=5)


def test_failed_read_is_not_remembered() -> None:
    answers: Iterator[Exception | int] = iter([ConnectionError("gone"), 7])

    def read() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    running = Clock(read, system_time=lambda: NOON)
    with pytest.raises(ConnectionError):
        running.now()
    assert running.now() == NOON + timedelta(seconds=7)


def test_without_a_sandbox_now_is_the_time_in_utc() -> None:
    before = datetime.now(UTC)
    moment = Clock().now()
    assert before <= moment <= datetime.now(UTC)
    assert moment.tzinfo is UTC


def test_now_reads_the_installed_clock() -> None:
    previous = clock.installed()
    try:
        clock.install(World().clock())
        assert clock.now() == NOON
    finally:
        clock.install(previous)


def test_sql_reads_and_only_advances() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(TABLE_SQL)

        def advance(seconds: int) -> object:
            return connection.execute(clock.ADVANCE_OFFSET_SQL, {"seconds": seconds}).fetchone()

        assert connection.execute(clock.READ_OFFSET_SQL).fetchone() == (0,)
        assert advance(3600) == (3600,)
        assert advance(60) == (3660,)
        with pytest.raises(psycopg.errors.CheckViolation):
            advance(-1)
        assert connection.execute(clock.READ_OFFSET_SQL).fetchone() == (3660,)
