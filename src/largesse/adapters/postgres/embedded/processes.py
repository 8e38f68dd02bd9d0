"""Which processes of this machine are servers of one cluster.

Owns the reading of /proc, and of ps where there is none. Must not know lock files. Protects one
invariant: a process id from a file is trusted, or signalled, only after the process itself was
seen to work in the cluster's directory. Ids are used again, and zombies keep theirs.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_HAS_PROC = sys.platform.startswith("linux")
_POLL_SECONDS = 0.02


def is_server_of(pid: int, cluster: Path) -> bool:
    """Say whether `pid` is a living PostgreSQL process of `cluster`: a zombie is not."""
    if not _HAS_PROC:
        return _is_server_by_ps(pid, cluster)
    try:
        # A zombie has no working directory, and one that we may not read is another user's.
        is_inside = os.path.samefile(f"/proc/{pid}/cwd", cluster)
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return False
    return is_inside and name == "postgres"


def servers_of(cluster: Path) -> list[int]:
    """Return the PostgreSQL processes of `cluster`, postmaster and backends; empty without /proc.

    There PostgreSQL's own check of its shared memory is the only one, and a start may fail.
    """
    if not _HAS_PROC:
        return []
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if is_server_of(pid, cluster)]


def end_server(pid: int, cluster: Path, patience_seconds: float) -> bool:
    """End the postmaster `pid` of `cluster`, each signal harsher than the last; say if it is gone.

    Every one of them is safe for committed work: PostgreSQL recovers from its log.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if not is_server_of(pid, cluster):
            return True
        os.kill(pid, number)
        deadline = time.monotonic() + patience_seconds
        while is_server_of(pid, cluster) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    return not is_server_of(pid, cluster)


def end_stragglers(cluster: Path, patience_seconds: float) -> list[int]:
    """Wait for the backends of a dead postmaster, then kill them; return those that remain.

    They leave by themselves when they notice; one in a long query may not for a while, and a new
    server must not start beside it.
    """
    deadline = time.monotonic() + patience_seconds
    while (pids := servers_of(cluster)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + patience_seconds
    while pids and (pids := servers_of(cluster)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return pids


def _is_server_by_ps(pid: int, cluster: Path) -> bool:
    command = ["/bin/ps", "-p", str(pid), "-o", "stat=", "-o", "command="]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    state, _, command_line = answer.stdout.strip().partition(" ")
    return not state.startswith("Z") and "postgres" in command_line and str(cluster) in command_line
