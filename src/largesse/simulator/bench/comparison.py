"""The engine beside its peers, with more senders, and in several processes.

Owns the parts of a benchmark that need no history. Must not know how a peer or a process works.
Invariant: a ratio is of rounds that took turns, and the ledger's coins are counted before any row
is written into the report.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from largesse.simulator.bench import ledgers, pages, peers
from largesse.simulator.bench.crowd import crowd_round
from largesse.simulator.bench.engine import Engine, Round, load_cost
from largesse.simulator.bench.gifts import Shape
from largesse.simulator.bench.plan import HISTORY, Options, Part, Progress, Rounds, Turn
from largesse.simulator.bench.report import MANY_SENDERS, Report, row_of, way_of

_WARMING_SECONDS = 0.3
_LONE_TURNS = 3
"""A lone sender has so many times more rounds, half as long: they are the noisiest."""


@dataclass(slots=True)
class Comparison:
    """The parts that need no history, all on one ledger. The peers are set up, or about to be."""

    url: str
    company: peers.Company
    options: Options
    progress: Progress
    report: Report
    rounds: Rounds = field(default_factory=Rounds)
    given: int = sum(HISTORY.values())

    def run(self) -> None:
        """Run the chosen parts, check the books and write the rows."""
        parts = self.options.parts
        with Engine(self.url, seed=1) as engine:
            for senders in (1, MANY_SENDERS):
                engine.round(Shape.UNIFORM, senders, _WARMING_SECONDS)
            if Part.SENDERS in parts:
                self._senders(engine)
            if Part.PEERS in parts:
                self._peers(engine)
            self.given += engine.given
        if Part.PROCESSES in parts:
            self._processes()
        ledgers.check_coins(self.url, self.given)
        if not self.options.is_quick:
            pages.check_books(self.url)
        self.report.weight = ledgers.weigh(self.url)
        self.report.rows += [row_of(*key, found) for key, found in self.rounds.found.items()]
        self._shares()

    def _engine_turn(self, engine: Engine, shape: Shape, senders: int, seconds: float) -> Turn:
        return (shape.value, senders), lambda: engine.round(shape, senders, seconds)

    def _senders(self, engine: Engine) -> None:
        options = self.options
        turns = [
            self._engine_turn(engine, shape, senders, options.seconds)
            for shape in options.shapes
            for senders in options.senders
            # The quick round meets this one among the peers.
            if not (options.is_quick and senders == MANY_SENDERS)
        ]
        times = 1 if options.is_quick else options.rounds
        with self.progress("Senders", len(turns) * times) as advance:
            self.rounds.take_turns(turns, times, advance)

    def _peers(self, engine: Engine) -> None:
        found = self.company.ready()
        self.report.notes += [f"{one.kind.name}: {one.missing}" for one in found if one.missing]
        here = {one.kind: one for one in found if not one.missing}
        self._compare_many(engine, here)
        if peers.SINGLE_INSERT in here:
            self._compare_lone(engine, here[peers.SINGLE_INSERT])
        for one in here.values():
            one.finish()

    def _compare_many(self, engine: Engine, here: dict[peers.Kind, peers.Peer]) -> None:
        """Let many senders and the peers take turns."""
        seconds, times = self.options.seconds, self.options.rounds
        mine, theirs = Rounds(), Rounds()
        turns = [
            self._engine_turn(engine, shape, MANY_SENDERS, seconds)
            for shape in (Shape.UNIFORM, Shape.HOT)
        ]
        ways = [
            (kind, connections)
            for kind in here
            if kind is not peers.SINGLE_INSERT
            for connections in kind.connections
        ]
        with self.progress("Peers", (len(turns) + len(ways)) * times) as advance:
            for turn in range(times):
                if turn and time.monotonic() > self.options.begin_until:
                    self.report.machine["rounds"] = turn
                    break
                mine.take_turns(turns, 1, advance)
                theirs.take_turns(
                    [_peer_turn(here[kind], number, seconds) for kind, number in ways], 1, advance
                )
        uniform, hot = ((shape.value, MANY_SENDERS) for shape in (Shape.UNIFORM, Shape.HOT))
        ratios = self.report.ratios
        ratios["hot_to_uniform"] = mine.ratio(hot, mine, uniform)
        for kind, number in ways:
            rounds = theirs.found[kind.name, number]
            self.report.ways.append(way_of(kind.name, kind.meaning, number, rounds))
        for kind in here:
            best = self.report.best_way(kind.name)
            if best is not None:
                key = kind.name, best.connections
                self.report.times[kind.name] = mine.ratio(uniform, theirs, key)
        ratios["copy_limit"] = self.report.times.get(peers.COPY_LIMIT.name)
        ratios["hordak"] = self.report.times.get(peers.HORDAK.name)
        self.rounds.add(mine)

    def _compare_lone(self, engine: Engine, peer: peers.Peer) -> None:
        """Let a lone sender and plain INSERTs take turns, with short rounds."""
        seconds = self.options.seconds / 2
        times = _LONE_TURNS * self.options.rounds
        found = Rounds()
        turns = [
            self._engine_turn(engine, Shape.UNIFORM, 1, seconds),
            _peer_turn(peer, 1, seconds),
        ]
        with self.progress("A lone sender", len(turns) * times) as advance:
            found.take_turns(turns, times, advance)
        kind = peer.kind
        lone = Shape.UNIFORM.value, 1
        self.report.lone_ratio = found.ratio(lone, found, (kind.name, 1))
        self.report.ways.append(way_of(kind.name, kind.meaning, 1, found.found[kind.name, 1]))

    def _processes(self) -> None:
        """Let one process and several take turns, all to one creator."""
        seeds = count(1_000_000, 1_000_000)

        def turn(processes: int) -> Round:
            found, given = crowd_round(
                self.url,
                Shape.HOT,
                processes=processes,
                senders=MANY_SENDERS,
                seconds=self.options.seconds,
                seed=next(seeds),
            )
            self.given += given
            return found

        numbers = (1, *self.options.processes)
        turns: list[Turn] = [
            ((_of_processes(number), MANY_SENDERS), partial(turn, number)) for number in numbers
        ]
        times = self.options.rounds
        with self.progress("Processes", len(turns) * times) as advance:
            self.rounds.take_turns(turns, times, advance)
        one = _of_processes(1), MANY_SENDERS
        self.report.process_ratios = {
            number: self.rounds.ratio((_of_processes(number), MANY_SENDERS), self.rounds, one)
            for number in self.options.processes
        }

    def _shares(self) -> None:
        """Tell how much of a gift's time is the load itself, and this process."""
        rounds = self.rounds.found.get((Shape.UNIFORM.value, MANY_SENDERS), [])
        gifts = sum(one.gifts for one in rounds)
        if gifts:
            self.report.load_us = 1_000_000 * load_cost(MANY_SENDERS)
            self.report.client_us = 1_000_000 * sum(one.client_seconds for one in rounds) / gifts


def _of_processes(number: int) -> str:
    return f"{Shape.HOT.value}, {number} {'process' if number == 1 else 'processes'}"


def _peer_turn(peer: peers.Peer, connections: int, seconds: float) -> Turn:
    return (peer.kind.name, connections), lambda: peer.round(seconds, connections)
