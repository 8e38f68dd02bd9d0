"""How the benchmark talks to a peer: one process, rounds on request, JSON lines both ways.

Owns the conversation. Must not know any peer. Invariant: a peer that ends well has said how many
gifts it gave in all, and has found exactly those in its own tables.

The peer prints `{"ready": true}` when it is set up, or `{"unavailable": "why"}` and ends. Each line
`{"seconds": 1.0, "connections": 8}` it is sent asks for a round, answered with one line; at the end
of the input it checks its tables and prints `{"gifts": 123}`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

Worker = TypeVar("Worker")


@dataclass(frozen=True)
class Counted:
    """What one round counted; latencies in seconds."""

    gifts: int
    seconds: float
    latencies: Sequence[float]


class Peer(Protocol):
    """Another way to post the same gifts."""

    def round(self, seconds: float, connections: int) -> Counted:
        """Give for so long over so many connections; gifts are made before the clock starts."""
        ...

    def check(self) -> int:
        """Return how many gifts its tables hold; raises when they contradict each other."""
        ...


class Unavailable(Exception):
    """What this peer needs is not installed; the text says what to do."""


def serve(open_peer: Callable[[str, str], Peer]) -> None:
    """Run a peer until its input ends; the command line names its database and the engine's."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    try:
        peer = open_peer(sys.argv[1], sys.argv[2])
    except Unavailable as why:
        print(json.dumps({"unavailable": str(why)}), file=answers, flush=True)
        return
    print(json.dumps({"ready": True}), file=answers, flush=True)
    given = 0
    for line in sys.stdin:
        counted = peer.round(**json.loads(line))
        given += counted.gifts
        answer = {
            "gifts": counted.gifts,
            "seconds": counted.seconds,
            "latencies": [round(one, 7) for one in counted.latencies],
        }
        print(json.dumps(answer), file=answers, flush=True)
    held = peer.check()
    if held != given:
        raise SystemExit(f"{given:,} gifts were counted, but the tables hold {held:,}.")
    print(json.dumps({"gifts": given}), file=answers, flush=True)


def share_out(
    workers: Sequence[Worker], give: Callable[[Worker, float], list[float]], seconds: float
) -> Counted:
    """Let each worker give in a thread of its own until the time is over; add up what they gave.

    `give(worker, end)` returns its latencies and stops at `end` of `time.perf_counter`.
    """
    latencies: list[float] = []
    begin = time.perf_counter()
    if len(workers) == 1:
        latencies = give(workers[0], begin + seconds)
    else:
        gate = threading.Barrier(len(workers))

        def start(worker: Worker) -> list[float]:
            gate.wait()
            return give(worker, begin + seconds)

        with ThreadPoolExecutor(len(workers)) as threads:
            for found in threads.map(start, workers):
                latencies += found
    return Counted(len(latencies), time.perf_counter() - begin, latencies)
