"""All processes of the product, from the first to the last.

Owns the order in which they start and stop, and the database's restart. Must not know addresses or
what is printed. Invariants: the database starts first and stops last; web stops before live, and
jobs before the database, so that nothing is asked of a process that has gone.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from largesse.commands.failures import CommandFailure, ExitCode
from largesse.commands.processes import ProcessLog, Program, Supervised

if TYPE_CHECKING:
    from largesse.adapters.postgres.server import EmbeddedServer

_DATABASE_POLL_SECONDS = 0.5
_POLL_SECONDS = 0.05

Tell = Callable[[str, str], None]
"""Hears (process, sentence)."""


class Supervisor:
    """Runs programs until a signal or `stopping` ends them; `server` is restarted when it dies."""

    def __init__(
        self,
        environ: Mapping[str, str],
        log_directory: Path,
        server: EmbeddedServer | None,
        *,
        tell: Tell,
        echo: Tell,
    ) -> None:
        self.stopping = asyncio.Event()
        self._environ = environ
        self._log_directory = log_directory
        self._server = server
        self._tell = tell
        self._echo = echo
        self._running: list[Supervised] = []
        self._watching: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Stop in order on SIGINT, SIGTERM and SIGHUP."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stopping.set)
        if self._server is not None:
            self._watching = asyncio.create_task(self._watch_database(self._server))

    async def run_once(self, program: Program) -> None:
        """Run a program to its end; raises CommandFailure with its last words when it fails."""
        process = self._make(program)
        ending = asyncio.create_task(process.run_once())
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await process.stop()
        code = await ending
        if code and not self.stopping.is_set():
            raise self._failure(process, f"ended with {code}")

    def begin(self, programs: Sequence[Program]) -> list[Supervised]:
        """Start programs, all at once; they are stopped in the order in which they are given."""
        begun = [self._make(program) for program in programs]
        for process in begun:
            process.begin()
        self._running += begun
        return begun

    async def wait_ready(self, processes: Sequence[Supervised], timeout_seconds: float) -> bool:
        """Wait until all answer; False when a signal came first.

        Raises CommandFailure naming the one that kept dying, or was not ready in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self.stopping.is_set():
            waiting = [one for one in processes if not one.ready.is_set()]
            if not waiting:
                return True
            for one in waiting:
                if one.restarts > 1:
                    raise self._failure(one, "keeps ending")
            if time.monotonic() > deadline:
                raise self._failure(waiting[0], f"was not ready after {timeout_seconds:.0f} s")
            await asyncio.sleep(_POLL_SECONDS)
        return False

    async def stop(self) -> None:
        """Stop everything but the database, one after the other."""
        self.stopping.set()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        for process in self._running:
            await process.stop()

    def _make(self, program: Program) -> Supervised:
        name = program.name
        log = ProcessLog(self._log_directory / f"{name}.log", lambda line: self._echo(name, line))
        return Supervised(program, self._environ, log, lambda text: self._died(name, text, log))

    def _died(self, name: str, text: str, log: ProcessLog) -> None:
        if not self.stopping.is_set():
            self._tell(name, text)
            for line in log.last:
                self._tell(name, f"  {line}")

    def _failure(self, process: Supervised, what: str) -> CommandFailure:
        name = process.program.name
        lines = "\n".join(f"  {line}" for line in process.last_lines)
        return CommandFailure(
            f"{name} {what}. The end of {self._log_directory / name}.log:\n{lines}",
            ExitCode.ENVIRONMENT,
        )

    async def _watch_database(self, server: EmbeddedServer) -> None:
        """Start the database again when it dies; the other processes wait for it by themselves."""
        while True:
            await asyncio.sleep(_DATABASE_POLL_SECONDS)
            code = server.poll()
            if code is not None:
                self._tell("postgres", f"ended with {code}; starts again")
                try:
                    await asyncio.to_thread(server.restart)
                except Exception as error:  # noqa: BLE001 - the product ends with this sentence
                    self._tell("postgres", str(error))
                    self.stopping.set()
                    return
                self._tell("postgres", "is back")
