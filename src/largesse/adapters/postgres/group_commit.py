"""Group commit: what waits is posted together.

Owns the queues of what waits and the loops that empty them. Must not know what an item is or how
it is posted. Invariants: items of one lane are handed over in the order in which they came, one
batch at a time; while a batch of one lane commits, the next gathers and other lanes go on.

A lane owns some of the fans' buckets, so that batches of different lanes never wait for each other
in the database, and one process keeps as many of its cores busy as there are lanes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

LANES = 2
MAX_BATCH = 1_000

T = TypeVar("T")
Commit = Callable[[list[T]], Awaitable[Sequence[T]]]
"""Posts a batch; returns the items that want to be in the next one. Must not raise."""


class GroupCommit(Generic[T]):
    """Queues and loops of one process; `run` works until `close`, and on what waits then."""

    def __init__(
        self, commit: Commit[T], *, lanes: int = LANES, max_batch: int = MAX_BATCH
    ) -> None:
        self._commit = commit
        self._max_batch = max_batch
        self._queues: tuple[deque[T], ...] = tuple(deque() for _ in range(lanes))
        self._wakes = tuple(asyncio.Event() for _ in range(lanes))
        self._is_closing = False

    @property
    def waiting(self) -> int:
        """How many items are queued, without those that are being posted."""
        return sum(len(queue) for queue in self._queues)

    def put(self, bucket: int, item: T) -> None:
        """Queue an item with the lane of its bucket."""
        lane = bucket % len(self._queues)
        self._queues[lane].append(item)
        self._wakes[lane].set()

    def close(self) -> None:
        """Let `run` end when everything that waits is posted."""
        self._is_closing = True
        for wake in self._wakes:
            wake.set()

    async def run(self) -> None:
        """Post batch after batch."""
        lanes = zip(self._queues, self._wakes, strict=True)
        await asyncio.gather(*(self._run_lane(queue, wake) for queue, wake in lanes))

    async def _run_lane(self, queue: deque[T], wake: asyncio.Event) -> None:
        while queue or not self._is_closing:
            if not queue:
                wake.clear()
                await wake.wait()
                # One turn of the loop lets everything that arrived together travel together.
                await asyncio.sleep(0)
                continue
            batch = [queue.popleft() for _ in range(min(len(queue), self._max_batch))]
            queue.extendleft(reversed(await self._commit(batch)))
