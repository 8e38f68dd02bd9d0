"""The supervisor: readiness, restarts, the order of the end, and no orphans."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from largesse.commands.failures import CommandFailure
from largesse.commands.processes import Program, answers
from largesse.commands.supervisor import Supervisor

ENDS_ON_TERM = """
import signal, sys, time
def stop(*_):
    with open(sys.argv[1], "a") as file:
        print(sys.argv[2], file=file)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""
DIES_ONCE = """
import pathlib, sys, time
mark = pathlib.Path(sys.argv[1])
if not mark.exists():
    mark.touch()
    print("no luck", flush=True)
    sys.exit(3)
print("ready", flush=True)
time.sleep(60)
"""
IGNORES_TERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
HAS_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(f"child {child.pid}", flush=True)
print("ready", flush=True)
time.sleep(60)
"""


class Stage:
    """A supervisor, and all that it said."""

    def __init__(self, directory: Path) -> None:
        self.said: list[tuple[str, str]] = []
        self.lines: list[tuple[str, str]] = []
        self.supervisor = Supervisor(
            dict(os.environ),
            directory,
            None,
            tell=lambda name, text: self.said.append((name, text)),
            echo=lambda name, text: self.lines.append((name, text)),
        )


def python(name: str, program: str, *arguments: str, stop_seconds: float = 5.0) -> Program:
    command = [sys.executable, "-c", program, *arguments]
    return Program(name, command, ready_line="ready", stop_seconds=stop_seconds)


@asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    stage = Stage(directory)
    try:
        yield stage
    finally:
        await stage.supervisor.stop()


def play(scene: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scene())


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_end(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_programs_stop_in_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    file = tmp_path / "order"
    names = ["web", "live", "jobs", "simulator"]

    async def scene() -> None:
        async with staged(tmp_path) as stage:
            begun = stage.supervisor.begin(
                [python(name, ENDS_ON_TERM, str(file), name) for name in names]
            )
            assert await stage.supervisor.wait_ready(begun, 20)

    play(scene)
    assert file.read_text().split() == names


def test_one_that_dies_is_started_again_and_its_last_words_are_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with staged(tmp_path) as stage:
            begun = stage.supervisor.begin([python("web", DIES_ONCE, str(tmp_path / "mark"))])
            assert await stage.supervisor.wait_ready(begun, 20)
            assert begun[0].restarts == 1
            assert ("web", "  no luck") in stage.said
            assert any("ended with 3" in text for _, text in stage.said)

    play(scene)
    assert (tmp_path / "web.log").read_text().split("\n")[:2] == ["no luck", "ready"]


def test_one_that_keeps_dying_is_named_with_its_last_words(tmp_path: Path) -> None:
    async def scene() -> None:
        async with staged(tmp_path) as stage:
            begun = stage.supervisor.begin([python("jobs", "raise SystemExit('no database')")])
            with pytest.raises(CommandFailure, match=r"(?s)jobs keeps ending.*no database"):
                await stage.supervisor.wait_ready(begun, 20)

    play(scene)


def test_one_that_is_never_ready_is_named(tmp_path: Path) -> None:
    async def scene() -> None:
        async with staged(tmp_path) as stage:
            begun = stage.supervisor.begin([python("live", "import time; time.sleep(60)")])
            with pytest.raises(CommandFailure, match="live was not ready after"):
                await stage.supervisor.wait_ready(begun, 0.5)

    play(scene)


def test_one_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with staged(tmp_path) as stage:
            begun = stage.supervisor.begin([python("web", IGNORES_TERM, stop_seconds=0.3)])
            await stage.supervisor.wait_ready(begun, 20)
            pid = begun[0].pid
            await stage.supervisor.stop()
            assert pid is not None
            assert not is_alive(pid)

    play(scene)


def test_what_a_killed_program_had_started_ends_with_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with staged(tmp_path) as stage:
            begun = stage.supervisor.begin([python("web", HAS_A_CHILD)])
            await stage.supervisor.wait_ready(begun, 20)
            grandchild = int(stage.lines[0][1].split()[1])
            assert begun[0].pid is not None
            os.kill(begun[0].pid, signal.SIGKILL)
            assert await asyncio.to_thread(wait_for_end, grandchild)

    play(scene)


def test_a_signal_ends_the_wait_for_readiness(tmp_path: Path) -> None:
    async def scene() -> None:
        async with staged(tmp_path) as stage:
            stage.supervisor.listen()
            begun = stage.supervisor.begin([python("web", "import time; time.sleep(60)")])
            asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGTERM)
            assert not await stage.supervisor.wait_ready(begun, 20)

    play(scene)


def test_a_program_that_runs_once_fails_with_its_last_words(tmp_path: Path) -> None:
    async def scene() -> None:
        async with staged(tmp_path) as stage:
            await stage.supervisor.run_once(python("preparation", "print('fine')"))
            with pytest.raises(CommandFailure, match=r"(?s)preparation ended with 1.*broken"):
                await stage.supervisor.run_once(python("preparation", "raise SystemExit('broken')"))

    play(scene)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has death signals")
def test_children_do_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, sys
from pathlib import Path
from largesse.commands.processes import Program
from largesse.commands.supervisor import Supervisor
async def main():
    supervisor = Supervisor(dict(os.environ), Path({str(tmp_path)!r}), None,
                            tell=print, echo=print)
    command = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]
    begun = supervisor.begin([Program("web", command, ready_line="ready")])
    await supervisor.wait_ready(begun, 20)
    print("pid", begun[0].pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        line = next(line for line in up.stdout if line.startswith("pid"))
        pid = int(line.split()[1])
        assert is_alive(pid)
        up.kill()
        assert wait_for_end(pid)


def test_an_address_where_nobody_listens_does_not_answer() -> None:
    assert not asyncio.run(answers("http://127.0.0.1:9/healthz"))
