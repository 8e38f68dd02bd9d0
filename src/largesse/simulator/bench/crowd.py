"""Several processes that post at once, as several live processes would.

Owns their start, the moment at which all begin, and their counts as one round. Must not know how a
round is measured inside a process: `engine` does. Invariant: the clock runs from the first to begin
to the last to end.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from largesse.simulator.bench.engine import Engine, Round
from largesse.simulator.bench.gifts import Shape

_WAIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Part:
    """What one process is to do."""

    url: str
    shape: Shape
    senders: int
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one process did: its round's end on the clock that processes share, and all it gave."""

    found: Round
    end: float
    given: int


def crowd_round(
    url: str, shape: Shape, *, processes: int, senders: int, seconds: float, seed: int
) -> tuple[Round, int]:
    """Run one round with the senders shared out among so many new processes.

    Returns the round and how many gifts were given in all, with those that warmed up. Raises
    RuntimeError when one of them fails.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    pipes = []
    children = []
    for number in range(processes):
        ours, theirs = context.Pipe(duplex=False)
        part = Part(url, shape, senders // processes, seconds, seed + 1_000 * number)
        child = context.Process(target=_take_part, args=(part, barrier, theirs))
        child.start()
        theirs.close()
        pipes.append(ours)
        children.append(child)
    try:
        answers = [_answer(pipe) for pipe in pipes]
    finally:
        for child in children:
            child.join(_WAIT_SECONDS)
            child.kill()
    begin = min(answer.end - answer.found.seconds for answer in answers)
    end = max(answer.end for answer in answers)
    latencies = [one for answer in answers for one in answer.found.latencies]
    found = Round(len(latencies), end - begin, latencies)
    return found, sum(answer.given for answer in answers)


def _answer(pipe: Connection) -> _Answer:
    try:
        answer = pipe.recv()
    except EOFError:
        raise RuntimeError("A process of the benchmark ended before its round did.") from None
    assert isinstance(answer, _Answer), "only `_take_part` writes into the pipe"
    return answer


def _take_part(part: Part, barrier: Barrier, answer: Connection) -> None:
    """Run one round in a process of its own, after a short one that warms its connection."""
    with Engine(part.url, seed=part.seed) as engine:
        engine.round(part.shape, part.senders, 0.1)
        gifts = engine.make(part.shape, part.senders, part.seconds)
        barrier.wait(_WAIT_SECONDS)
        found = engine.give(gifts, part.senders, part.seconds)
        answer.send(_Answer(found, time.monotonic(), engine.given))
