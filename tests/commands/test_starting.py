"""`largesse demo` and `up` from a shell: the whole product, on a directory of its own.

One demo serves all tests of the module; they run in the order in which they stand.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow
_LIMIT_SECONDS = 180


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "largesse.cli", *arguments]


def shell() -> dict[str, str]:
    """An environment in which nothing of the test run's is configured."""
    hidden = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in hidden and not name.startswith("LARGESSE_")
    }


class Product:
    """A product that runs, and what it printed."""

    def __init__(self, directory: Path, port: int, verb: str = "demo", *more: str) -> None:
        self.directory = directory
        self.port = port
        self.output = directory.parent / f"{directory.name}.{time.monotonic_ns()}.txt"
        arguments = command(verb, "--data", str(directory), "--port", str(port), *more)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(arguments, env=shell(), stdout=output, stderr=output)

    def wait_ready(self) -> str:
        """Return what was printed, once everything answers."""
        deadline = time.monotonic() + _LIMIT_SECONDS
        while "Ready in" not in (text := self.output.read_text()):
            assert self.process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
        return text

    def stop(self) -> int:
        """Stop it as Ctrl-C does; returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command on the same directory."""
        return subprocess.run(
            command(*arguments, "--data", str(self.directory)),
            env=shell(),
            capture_output=True,
            text=True,
            check=False,
        )

    def children(self) -> dict[str, int]:
        """Return the process ids by what they run."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
                line = Path(f"/proc/{name}/cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == self.process.pid:
                found[line] = int(name)
        return found

    def child(self, word: str) -> int:
        return next(pid for line, pid in self.children().items() if word in line)


def free_port() -> int:
    """A port with two free ones above it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 60_000 and all(_is_free(port + step) for step in range(3)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{url} did not come back")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    product = Product(tmp_path_factory.mktemp("demo") / "data", free_port())
    product.wait_ready()
    yield product
    if product.process.poll() is None:
        product.stop()


def test_the_demo_says_where_everything_is_and_how_to_sign_in(demo: Product) -> None:
    text = demo.wait_ready()
    room = re.search(r"http://127\.0\.0\.1:\d+/live/room_\w+/", text)
    assert room
    assert httpx.get(room[0]).status_code == 200
    for word in ("juniper@example.org", "odile@example.org", "ines@example.org", "otpauth://"):
        assert word in text
    assert "Traceback" not in text


def test_the_room_is_alive_when_it_opens(demo: Product) -> None:
    room = re.search(r"room_\w+", demo.wait_ready())
    assert room
    shown = httpx.get(f"http://127.0.0.1:{demo.port + 1}/live/rooms/{room[0]}").json()
    assert shown["totals"]["coins"]["units"] > 1_000
    assert len(shown["board"]) >= 5


def test_other_commands_use_the_running_database(demo: Product) -> None:
    check = demo.run("books", "check", "--json")
    assert (check.returncode, json.loads(check.stdout)["ok"]) == (0, True)
    statement = demo.run("statement", "Juniper Vale", "--json")
    assert json.loads(statement.stdout)["entries"][0]["event"] == "recharge"
    clock = demo.run("clock", "advance", "1d", "--json")
    assert json.loads(clock.stdout)["ahead_seconds"] == 86_400


def test_a_second_product_on_the_directory_or_the_port_is_refused(demo: Product) -> None:
    other_port = demo.run("up", "--sandbox", "--port", str(free_port()))
    assert other_port.returncode == 3
    assert "is in use by process" in other_port.stderr
    same_port = subprocess.run(
        command("up", "--port", str(demo.port), "--data", str(demo.directory.parent / "other")),
        env=shell(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert same_port.returncode == 3
    assert f"Port {demo.port}" in same_port.stderr


@pytest.mark.parametrize("word", ["interface wsgi", "largesse.live", "bin/postgres"])
def test_what_is_killed_comes_back(word: str, demo: Product) -> None:
    pid = demo.child(word)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while demo.children().get(word) == pid and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    wait_for(f"http://127.0.0.1:{demo.port}/healthz")
    wait_for(f"http://127.0.0.1:{demo.port + 1}/live/healthz")
    assert demo.child(word) != pid
    assert demo.run("books", "check").returncode == 0


def test_it_stops_in_order_and_starts_again_quickly(demo: Product) -> None:
    children = list(demo.children().values())
    assert len(children) == 6
    assert demo.stop() == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    wallet = json.loads(demo.run("accounts", "--holder", "Juniper Vale", "--json").stdout)
    again = Product(demo.directory, demo.port)
    try:
        text = again.wait_ready()
        # Ten seconds on a machine of its own; this one runs the other tests beside it.
        assert float(re.search(r"Ready in ([\d.]+) s", text)[1]) < 30  # type: ignore[index]
        assert "Preparing" not in text
        same = json.loads(again.run("accounts", "--holder", "Juniper Vale", "--json").stdout)
        assert same == wallet
    finally:
        assert again.stop() == 0


def test_a_sandbox_never_becomes_real(demo: Product) -> None:
    refused = demo.run("up", "--port", str(free_port()))
    assert refused.returncode == 1
    assert "sandbox books" in refused.stderr
    assert "largesse demo" in refused.stderr


def test_nothing_survives_a_supervisor_that_is_killed(demo: Product) -> None:
    again = Product(demo.directory, free_port())
    again.wait_ready()
    children = list(again.children().values())
    again.process.kill()
    again.process.wait()
    deadline = time.monotonic() + 30
    while (left := _living(children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    assert demo.run("books", "check").returncode == 0


def _living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]
