"""A supervisor in a process of its own, for tests that kill it.

Owns the program and its start. Must not know what is asserted. Protects the machine: what a test
leaves behind is ended.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# It becomes another user after its imports, since that user may not reach the interpreter.
_PROGRAM = """
import json, os, pwd, sys
from pathlib import Path
import psycopg
from largesse.adapters.postgres.server import EmbeddedServer

if len(sys.argv) > 2:
    entry = pwd.getpwnam(sys.argv[2])
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)

with EmbeddedServer(Path(sys.argv[1]), settings={"shared_buffers": "16MB"}) as server:
    print(json.dumps({"pid": server.pid, "url": server.url}), flush=True)
    sys.stdin.readline()
"""


@dataclass(frozen=True)
class Supervisor:
    """A process whose child is the server `postgres_pid`."""

    process: subprocess.Popen[str]
    postgres_pid: int
    url: str


@contextmanager
def supervisor(data_dir: Path, *, user: str | None = None) -> Iterator[Supervisor]:
    """Start the program and wait for its server; at the end let it stop by itself, or be dead."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(data_dir), *([user] if user else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the supervisor ended with {process.wait()}"
        facts = json.loads(line)
        yield Supervisor(process, facts["pid"], facts["url"])
        # Leaving the block closes its standard input, which tells it to stop, and waits.


def wait_until(condition: Callable[[], bool], timeout_seconds: float = 15.0) -> bool:
    """Say whether `condition` came true in time."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()
