"""The one place where the product reads the time.

Owns `now()` and the sandbox's test clock, whose offset all processes share through one row of the
table `largesse_clock`. Must not know a database driver: whoever opens the sandbox gives a callable
that reads the row. Protects two invariants: every time is aware and in UTC, and without a sandbox
the clock cannot be moved.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

READ_OFFSET_SQL = "SELECT coalesce((SELECT offset_seconds FROM largesse_clock WHERE id = 1), 0)"
"""Seconds (bigint) by which the test clock runs ahead; 0 before it was first moved."""

ADVANCE_OFFSET_SQL = """
    INSERT INTO largesse_clock (id, offset_seconds) VALUES (1, %(seconds)s)
    ON CONFLICT (id) DO UPDATE
    SET offset_seconds = largesse_clock.offset_seconds + excluded.offset_seconds
    RETURNING offset_seconds
"""
"""Moves the test clock ahead by `seconds` and returns the new offset. The row's CHECK refuses
negative seconds: time that has run maturities and expiries must never run back."""

OFFSET_LIFETIME_SECONDS = 0.5
"""How long a process may use an offset before it reads the row again."""


def _no_offset() -> int:
    return 0


def _system_time() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Real time plus an offset in seconds, which is read at most every half second. Thread-safe."""

    def __init__(
        self,
        read_offset: Callable[[], int] = _no_offset,
        *,
        system_time: Callable[[], datetime] = _system_time,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_offset = read_offset
        self._system_time = system_time
        self._monotonic_seconds = monotonic_seconds
        self._lock = threading.Lock()
        self._offset_seconds = 0
        self._read_at: float | None = None

    def now(self) -> datetime:
        """Return the time of this clock, aware, in UTC. Raises what `read_offset` raises."""
        return self._system_time() + timedelta(seconds=self._current_offset())

    def forget_offset(self) -> None:
        """Read the row again at the next call: for the process that has just moved the clock."""
        with self._lock:
            self._read_at = None

    def _current_offset(self) -> int:
        with self._lock:
            tick = self._monotonic_seconds()
            if self._read_at is None or tick - self._read_at >= OFFSET_LIFETIME_SECONDS:
                self._offset_seconds = self._read_offset()
                self._read_at = tick
            return self._offset_seconds


_clock = Clock()


def install(clock: Clock) -> None:
    """Make `now()` read `clock` in this process: called by entry points, in the sandbox only."""
    global _clock  # noqa: PLW0603 -- a process has one clock
    _clock = clock


def installed() -> Clock:
    """Return the clock that `now()` reads."""
    return _clock


def now() -> datetime:
    """Return the product's time, aware, in UTC. For entry points; rules take it as an argument."""
    return _clock.now()
