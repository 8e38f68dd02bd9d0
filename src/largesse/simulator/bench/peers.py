"""Peers: other ways to post the same gifts, each in a process of its own on the same server.

Owns which peers there are, their databases, and the conversation with their processes (the scripts
lie in `bench/peers` of a checkout). Must not know how a peer posts. Invariant: a peer's figures
count only once its own tables held exactly the gifts that it counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from largesse.simulator.bench import ledgers
from largesse.simulator.bench.engine import Round

_ROOT = Path(__file__).resolve().parents[4]
_SCRIPTS = "bench/peers"
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """A peer: its script, what it is, whether it needs the ledger's tables, and its connections."""

    name: str
    meaning: str
    needs_ledger: bool
    connections: tuple[int, ...]


COPY_LIMIT = Kind("copy_limit", "COPY of the same rows, 2,000 a transaction", True, (1,))
SINGLE_INSERT = Kind("single_insert", "a plain INSERT of the same row", True, (1,))
TRANSACTION_A_GIFT = Kind("transaction_a_gift", "our function, a transaction a gift", True, (8, 16))
PER_TRANSFER = Kind("per_transfer", "SQL of accounts, transfers and entries", False, (8, 16))
HORDAK = Kind("hordak", "django-hordak: a transaction and two legs", False, (1, 4, 8))

ALL = (COPY_LIMIT, HORDAK, TRANSACTION_A_GIFT, PER_TRANSFER, SINGLE_INSERT)
QUICK = (COPY_LIMIT, replace(HORDAK, connections=(1, 8)))


class PeerFailed(Exception):
    """A peer's process ended, or its tables do not hold what it counted."""


class Peer:
    """A peer's process. `missing` says why it cannot run here, and is empty where it can."""

    def __init__(self, kind: Kind, url: str, engine_url: str) -> None:
        self.kind = kind
        self.missing = ""
        if not (_ROOT / _SCRIPTS / f"{kind.name}.py").is_file():
            self.missing = f"{_SCRIPTS} comes with a checkout of the source, not with the package."
            return
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"bench.peers.{kind.name}", url, engine_url],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def await_ready(self) -> None:
        """Return when the peer is set up, or `missing` says why it never will be."""
        if not self.missing:
            self.missing = str(self._hear().get("unavailable", ""))

    def round(self, seconds: float, connections: int) -> Round:
        """Run one round; raises PeerFailed."""
        assert self._process.stdin is not None, "opened as a pipe"
        self._process.stdin.write(
            json.dumps({"seconds": seconds, "connections": connections}) + "\n"
        )
        self._process.stdin.flush()
        found = self._hear()
        return Round(int(found["gifts"]), found["seconds"], found["latencies"])

    def finish(self) -> None:
        """Let the peer compare its tables with what it counted; raises PeerFailed."""
        if self.missing:
            return
        assert self._process.stdin is not None, "opened as a pipe"
        self._process.stdin.close()
        self._hear()

    def close(self) -> None:
        """End the process, however the benchmark went."""
        if "_process" not in self.__dict__:
            return
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None, "opened as a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed(f"The peer {self.kind.name} ended; what it said is above.")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def opened(kinds: tuple[Kind, ...], *, world_url: str, engine_url: str) -> Iterator[list[Peer]]:
    """Start peers on databases of their own, all at once, and wait until they are set up.

    `world_url` is a ledger with fans and coins that nobody uses; those who need one get a copy.
    """
    world = ledgers.name_of(world_url)
    peers: list[Peer] = []
    try:
        for kind in kinds:
            name = f"peer_{kind.name}"
            template = world if kind.needs_ledger else None
            url = ledgers.create_database(world_url, name, template=template)
            peers.append(Peer(kind, url, engine_url))
        for peer in peers:
            peer.await_ready()
        yield peers
    finally:
        for peer in peers:
            peer.close()
        for kind in kinds[: len(peers)]:
            ledgers.drop_database(world_url, f"peer_{kind.name}")
