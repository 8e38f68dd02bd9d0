"""A product that runs for a while, and a browser to look at it.

Owns: the start and the end of `largesse up` and `largesse demo` on free ports, and how Debian's
chromium is launched. Must not know: any page. Protects: nothing outlives the block that started
it, and the product runs as a stranger's would, on its own database and its own secret.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
START_SECONDS = 120
STOP_SECONDS = 40
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_OURS = ("LARGESSE_", "DATABASE_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_")


class DidNotStart(Exception):
    """The product ended, or was not ready in time; the text is what it printed."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product that is ready: where its pages are, and where it keeps its data."""

    url: str
    data: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `largesse` command on the product's data; the caller judges its exit code."""
        return subprocess.run(
            [*_LARGESSE, *arguments, "--data", str(self.data)],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


_LARGESSE = (sys.executable, "-m", "largesse.cli")


@contextmanager
def running(command: Sequence[str], data: Path) -> Iterator[Product]:
    """Run `largesse <command>` on free ports until the block ends; raises DidNotStart."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "terminal.log"
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_LARGESSE, *command, "--data", str(data), "--port", str(port)],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, log)
        yield Product(f"http://127.0.0.1:{port}", data)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Launch Debian's chromium, without anything that talks to the world by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def free_port() -> int:
    """Return a port that is free together with the two above it."""
    while True:
        with ExitStack() as held:
            first = held.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for higher in (port + 1, port + 2):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", higher))
            except (OSError, OverflowError):
                continue
        return port


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "Ready in " not in (printed := log.read_text(encoding="utf-8", errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DidNotStart(printed)
        time.sleep(0.1)
