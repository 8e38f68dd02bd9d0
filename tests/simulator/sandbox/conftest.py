"""A sandbox provider of one's own: a real process on a real port, with its tables."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from django.db import connection

from largesse.adapters.providers.sandbox import (
    SandboxCheckouts,
    SandboxTransfers,
    SandboxWire,
    derive_credentials,
)

SECRET = "a secret of the tests, long enough for anybody"
START_SECONDS = 30


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers at `url`."""

    url: str
    wire: SandboxWire

    @property
    def checkouts(self) -> SandboxCheckouts:
        return SandboxCheckouts(self.wire)

    @property
    def transfers(self) -> SandboxTransfers:
        return SandboxTransfers(self.wire)

    def press(self, checkout_id: str, **form: str) -> httpx.Response:
        """Press a button of the hosted page, as a browser does."""
        return httpx.post(f"{self.url}/checkout/{checkout_id}", data=form)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def database_url() -> str:
    """Return the address of the tests' database, as the tests' own connection has it."""
    host, port = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
    user, password = connection.settings_dict["USER"], connection.settings_dict["PASSWORD"]
    name = connection.settings_dict["NAME"]
    return f"postgresql://?dbname={name}&user={user}&password={password}&host={host}" + (
        f"&port={port}" if port else ""
    )


@contextmanager
def running(
    directory: Path, product_url: str, *, secret: str = SECRET, port: int | None = None
) -> Iterator[RunningSandbox]:
    """Run a sandbox process that notifies `product_url`, until the block ends."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "LARGESSE_DATA": str(directory),
        "LARGESSE_SECRET": secret,
        "LARGESSE_PUBLIC_URL": product_url,
        "LARGESSE_SANDBOX_URL": url,
        "LARGESSE_LIVE_URL": "http://127.0.0.1:1",
        "LARGESSE_SANDBOX": "1",
    }
    command = [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1"),
        *("--port", str(port), "largesse.simulator.sandbox.app:application"),
    ]
    wire = SandboxWire(url, derive_credentials(secret), in_transaction=lambda: False)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(url), START_SECONDS)
        yield RunningSandbox(url, wire)
    finally:
        wire.close()
        process.terminate()
        process.wait(20)


def wait_until(condition: Callable[[], object], seconds: int = 15) -> None:
    """Return once the condition holds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def order_name() -> str:
    """Return an order's name that no other test has."""
    return f"rch_{secrets.token_hex(6)}"
