"""What waits travels together, in order, and no lane waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from largesse.adapters.postgres.group_commit import GroupCommit

Item = tuple[int, int]
"""Bucket and number."""


class Store:
    """Notes batches; one of a closed bucket waits until the bucket is opened."""

    def __init__(self) -> None:
        self.batches: list[list[Item]] = []
        self.closed: dict[int, asyncio.Event] = {}
        self.send_back: set[Item] = set()

    async def commit(self, items: list[Item]) -> Sequence[Item]:
        gate = self.closed.get(items[0][0])
        if gate is not None:
            await gate.wait()
        again = [item for item in items if item in self.send_back]
        self.send_back -= set(again)
        self.batches.append([item for item in items if item not in again])
        await asyncio.sleep(0)
        return again


async def drain(store: Store, items: Sequence[Item], *, lanes: int, max_batch: int = 10) -> None:
    commit = GroupCommit(store.commit, lanes=lanes, max_batch=max_batch)
    for item in items:
        commit.put(item[0], item)
    assert commit.waiting == len(items)
    commit.close()
    await commit.run()
    assert commit.waiting == 0


def test_what_waits_travels_together_in_order_and_no_more_than_fits() -> None:
    store = Store()
    items = [(4, number) for number in range(7)]
    asyncio.run(drain(store, items, lanes=2, max_batch=3))
    assert store.batches == [items[:3], items[3:6], items[6:]]


def test_a_bucket_keeps_its_lane() -> None:
    store = Store()
    asyncio.run(drain(store, [(b, n) for n in range(3) for b in range(8)], lanes=3))
    for batch in store.batches:
        assert len({bucket % 3 for bucket, _ in batch}) == 1
    for bucket in range(8):
        numbers = [n for batch in store.batches for b, n in batch if b == bucket]
        assert numbers == [0, 1, 2]


def test_what_is_sent_back_comes_first_in_the_next_batch() -> None:
    store = Store()
    store.send_back = {(2, 1), (2, 2)}
    asyncio.run(drain(store, [(2, n) for n in range(6)], lanes=1, max_batch=4))
    assert store.batches == [[(2, 0), (2, 3)], [(2, 1), (2, 2), (2, 4), (2, 5)]]


def test_a_lane_that_waits_holds_no_other() -> None:
    async def scene() -> list[list[Item]]:
        store = Store()
        store.closed = {1: asyncio.Event()}
        commit = GroupCommit(store.commit, lanes=2)
        running = asyncio.create_task(commit.run())
        commit.put(1, (1, 0))
        for number in range(3):
            commit.put(2, (2, number))
            await asyncio.sleep(0.001)
        before = list(store.batches)
        assert [item for batch in before for item in batch] == [(2, 0), (2, 1), (2, 2)]
        store.closed[1].set()
        commit.close()
        await running
        return store.batches

    assert asyncio.run(scene())[-1] == [(1, 0)]


def test_what_comes_while_a_batch_is_posted_gathers() -> None:
    async def scene() -> list[list[Item]]:
        store = Store()
        store.closed = {0: asyncio.Event()}
        commit = GroupCommit(store.commit, lanes=1)
        running = asyncio.create_task(commit.run())
        commit.put(0, (0, 0))
        await asyncio.sleep(0.001)
        for number in (1, 2, 3):
            commit.put(0, (0, number))
            await asyncio.sleep(0)
        store.closed[0].set()
        await asyncio.sleep(0.001)
        commit.close()
        await running
        return store.batches

    assert asyncio.run(scene()) == [[(0, 0)], [(0, 1), (0, 2), (0, 3)]]
