"""Fan-out: what one room's viewers are sent, and what those who were away can still be sent.

Owns the viewers' bounded queues and the ring of a room's latest events. Must not know HTTP or the
database. Invariant: a viewer gets every event after its cursor in order, or is told to take a fresh
snapshot, or is let go; a slow reader never grows memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime

from largesse.live.rooms import RoomState
from largesse.live.wire import encode, frame, parse_cursor

COALESCE_SECONDS = 0.08
"""How long a room gathers changes before its viewers are told."""

IDLE_FLUSH_SECONDS = 0.5
"""How soon the end of a streak or a change in the number of viewers is noticed."""

RING_EVENTS = 2_000
QUEUE_BYTES = 512 * 1024

SNAPSHOT_REQUIRED = b'event: snapshot.required\ndata: {"type":"snapshot.required"}\n\n'


class Viewer:
    """One open stream: chunks wait here until its connection takes them."""

    def __init__(self, missed: bytes = b"") -> None:
        self._chunks = deque([missed] if missed else [])
        # What was missed is bounded by the ring, so it does not count against the queue.
        self._bytes = 0
        self._wake = asyncio.Event()
        self._dropped = asyncio.Event()

    def push(self, chunk: bytes) -> None:
        """Queue a chunk; a viewer that fell too far behind is dropped with all that waits."""
        if self._dropped.is_set():
            return
        self._bytes += len(chunk)
        if self._bytes > QUEUE_BYTES:
            self.drop()
            return
        self._chunks.append(chunk)
        self._wake.set()

    def drop(self) -> None:
        """Let the viewer go; it comes back by its cursor."""
        self._dropped.set()
        self._chunks.clear()

    async def dropped(self) -> None:
        """Return when the viewer was let go."""
        await self._dropped.wait()

    async def next_chunk(self, *, patience_seconds: float) -> bytes:
        """Return all that waits, or b"" when nothing came in time."""
        if not self._chunks:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), patience_seconds)
            except TimeoutError:
                return b""
        chunk = b"".join(self._chunks)
        self._chunks.clear()
        self._bytes = 0
        return chunk


class RoomChannel:
    """A room, its viewers, and the timer that tells them."""

    def __init__(self, state: RoomState, now: Callable[[], datetime]) -> None:
        self.state = state
        self._now = now
        self._ring: deque[tuple[int, bytes]] = deque(maxlen=RING_EVENTS)
        self._viewers: set[Viewer] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_is_idle = False
        self.quiet_since = now()

    @property
    def is_watched(self) -> bool:
        """Whether anybody has a stream open."""
        return bool(self._viewers)

    def touch(self) -> None:
        """Tell the viewers soon: something changed."""
        self.quiet_since = self._now()
        if self._timer is not None and not self._timer_is_idle:
            return
        self._set_timer(COALESCE_SECONDS, idle=False)

    def flush(self) -> None:
        """Tell the viewers now all that changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        events = self.state.flush(self._now())
        if events:
            frames = [(event["data"]["sequence"], frame(event)) for event in events]
            self._ring.extend(frames)
            chunk = b"".join(text for _, text in frames)
            for viewer in self._viewers:
                viewer.push(chunk)
        if self.state.needs_flush:
            self._set_timer(IDLE_FLUSH_SECONDS, idle=True)

    def snapshot(self) -> bytes:
        """Return the room as JSON, with the cursor from which a stream goes on."""
        self.flush()
        return encode(self.state.snapshot())

    def join(self, since: str | None) -> Viewer:
        """Open a viewer's queue, filled with what it missed since its cursor."""
        self.flush()
        viewer = Viewer(self._missed(since) if since is not None else b"")
        self._viewers.add(viewer)
        self._viewers_changed()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer whose connection ended."""
        self._viewers.discard(viewer)
        self._viewers_changed()

    def close(self) -> None:
        """Let every viewer go and stop the timer."""
        for viewer in self._viewers:
            viewer.drop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _missed(self, since: str) -> bytes:
        after = parse_cursor(since, self.state.epoch)
        oldest = self._ring[0][0] if self._ring else self.state.sequence + 1
        if after is None or after > self.state.sequence or after + 1 < oldest:
            return SNAPSHOT_REQUIRED
        return b"".join(text for sequence, text in self._ring if sequence > after)

    def _viewers_changed(self) -> None:
        self.state.viewers = len(self._viewers)
        self.quiet_since = self._now()
        if self._timer is None:
            self._set_timer(IDLE_FLUSH_SECONDS, idle=True)

    def _set_timer(self, seconds: float, *, idle: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.flush)
        self._timer_is_idle = idle
