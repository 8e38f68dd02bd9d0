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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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
            self.missing = (
                f"there is no {_SCRIPTS} beside the package; run it from a checkout of the source, "
                "with: pip install -r requirements-dev.txt"
            )
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


class Company:
    """The peers of a run, all at work beside each other; a context manager that ends them.

    `world_url` is a ledger with fans and coins, of which those who need one get a copy.
    """

    def __init__(self, kinds: Sequence[Kind], *, world_url: str, engine_url: str) -> None:
        self._kinds = kinds
        self._world_url = world_url
        self._engine_url = engine_url
        self._peers: dict[Kind, Peer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for peer in self._peers.values():
            peer.close()
        for one in self._peers:
            ledgers.drop_database(self._world_url, _database_of(one))

    def start_strangers(self) -> None:
        """Let those set themselves up who need no ledger: the world may be made meanwhile."""
        self._start(needs_ledger=False)

    def start_kin(self) -> None:
        """Give the others a copy of the world, which nobody may be using."""
        self._start(needs_ledger=True)

    def ready(self) -> list[Peer]:
        """Return all of them, once each is set up or known to be missing."""
        for peer in self._peers.values():
            peer.await_ready()
        return [self._peers[kind] for kind in self._kinds]

    def _start(self, *, needs_ledger: bool) -> None:
        template = ledgers.name_of(self._world_url) if needs_ledger else None
        for kind in self._kinds:
            if kind.needs_ledger == needs_ledger:
                name = _database_of(kind)
                url = ledgers.create_database(self._world_url, name, template=template)
                self._peers[kind] = Peer(kind, url, self._engine_url)


def _database_of(kind: Kind) -> str:
    return f"peer_{kind.name}"
