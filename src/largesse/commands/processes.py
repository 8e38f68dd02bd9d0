"""One supervised process: started, watched, restarted, stopped.

Owns the life of a child and where its output goes. Must not know what the child does. Invariants: a
child never outlives the supervisor, whatever ends it, and neither does anything that the child
started; a child that dies is started again, ever more slowly.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 30.0
"""A child that ran this long is healthy again: the next pause is short."""
_POLL_SECONDS = 0.05
_LOG_LIMIT_BYTES = 10_000_000
_LAST_LINES = 12
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: ready when `health_url` answers 200, or when `ready_line` was printed."""

    name: str
    arguments: Sequence[str]
    health_url: str | None = None
    ready_line: str | None = None
    stop_seconds: float = 10.0
    """How long it may take to end by itself after SIGTERM."""


def module(name: str, *arguments: str) -> list[str]:
    """Return the arguments that run a module of this Python."""
    return [sys.executable, "-m", name, *arguments]


class ProcessLog:
    """A child's output: the file, and the last lines for whoever asks why it died."""

    def __init__(self, path: Path, echo: Callable[[str], None]) -> None:
        self._path = path
        self._echo = echo
        self.last: deque[str] = deque(maxlen=_LAST_LINES)
        self._file: BinaryIO = path.open("ab")

    def write(self, line: bytes) -> str:
        """Keep one line; returns it as text."""
        if self._file.tell() > _LOG_LIMIT_BYTES:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = self._path.open("ab")
        self._file.write(line)
        self._file.flush()
        text = line.decode(errors="replace").rstrip()
        self.last.append(text)
        self._echo(text)
        return text

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Supervised:
    """One program, kept running from `begin` to `stop`."""

    def __init__(
        self,
        program: Program,
        environ: Mapping[str, str],
        log: ProcessLog,
        tell: Callable[[str], None],
    ) -> None:
        self.program = program
        self.ready = asyncio.Event()
        self.restarts = 0
        self._environ = environ
        self._log = log
        self._tell = tell
        self._child: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id of the child that runs now."""
        return self._child.pid if self._child else None

    @property
    def last_lines(self) -> list[str]:
        """Return the end of its output."""
        return list(self._log.last)

    def begin(self) -> None:
        """Start it, and keep it running."""
        self._task = asyncio.create_task(self._keep())

    async def run_once(self) -> int:
        """Run it to its end; returns its exit code."""
        self._child = child = await _spawn(self.program, self._environ)
        pumping = asyncio.create_task(self._pump(child))
        code = await _end_of(child)
        _signal_group(child.pid, signal.SIGKILL)
        await pumping
        return code

    async def stop(self) -> None:
        """End it with SIGTERM, and with SIGKILL when it does not obey; nothing of it remains."""
        self._stopping.set()
        child = self._child
        if child is not None and child.returncode is None:
            _signal(child.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(_end_of(child), self.program.stop_seconds)
            except TimeoutError:
                _signal_group(child.pid, signal.SIGKILL)
                await _end_of(child)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if child is not None:
            _signal_group(child.pid, signal.SIGKILL)
        self._log.close()

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            self._child = child = await _spawn(self.program, self._environ)
            watching = asyncio.create_task(self._watch_readiness(child))
            pumping = asyncio.create_task(self._pump(child))
            code = await _end_of(child)
            watching.cancel()
            self.ready.clear()
            # A worker of a server that was killed would keep its port, and our pipe open.
            _signal_group(child.pid, signal.SIGKILL)
            await pumping
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self.restarts += 1
            self._tell(f"ended with {code}; starts again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _pump(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None, "its output is a pipe"
        while True:
            try:
                line = await child.stdout.readline()
            except ValueError:  # a line longer than the reader's limit: its rest follows
                continue
            if not line:
                return
            if self._log.write(line) == self.program.ready_line:
                self.ready.set()

    async def _watch_readiness(self, child: asyncio.subprocess.Process) -> None:
        url = self.program.health_url
        if url is None:
            if self.program.ready_line is None:
                self.ready.set()
            return
        while child.returncode is None:
            if await answers(url):
                self.ready.set()
                return
            await asyncio.sleep(_POLL_SECONDS)


async def _spawn(program: Program, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    parent = os.getpid()
    return await asyncio.create_subprocess_exec(
        *program.arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(environ),
        limit=1024 * 1024,
        # A session of its own: Ctrl-C reaches the supervisor alone, which stops in order.
        start_new_session=True,
        preexec_fn=(lambda: _end_with_parent(parent)) if _LIBC else None,
    )


async def _end_of(child: asyncio.subprocess.Process) -> int:
    """Wait for the child itself: `Process.wait` would wait for whoever else has its pipe, too."""
    while child.returncode is None:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(_POLL_SECONDS)
    return child.returncode


def _end_with_parent(parent: int) -> None:
    assert _LIBC is not None, "set on Linux only"
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _signal_group(pid: int, number: signal.Signals) -> None:
    # The child leads a group of its own name; it is empty, and unknown, when nothing is left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


async def answers(url: str) -> bool:
    """Tell whether a health address on this machine says 200 within a second."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split(b" ")[1:2] == [b"200"]
