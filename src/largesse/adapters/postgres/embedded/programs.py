"""How a PostgreSQL program is run: as which user, in which directory, and until when.

Owns the launch of every child. Must not know what the child does. Protects two invariants: no
program of PostgreSQL ever runs with root's rights, and the server does not outlive its supervisor.
"""

import ctypes
import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

from largesse.adapters.postgres.embedded.account import Account

# A server that has dropped from root often cannot search the parents of its data directory (/root,
# a private clone), and changing their modes is not ours to do. Its working directory was entered
# before the drop, and through this link it stays open by an absolute path, as PostgreSQL wants it.
WORKING_DIRECTORY = "/proc/self/cwd"

# Nothing of our environment: PGPORT and the like would change the server, and the locale decides
# the language of messages.
_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


def cluster_argument(cluster: Path, account: Account) -> str:
    """Return the path by which a child with `cluster` as its working directory should name it."""
    return WORKING_DIRECTORY if account.is_dropped_to else str(cluster)


def launch(
    command: Sequence[str],
    account: Account,
    directory: Path,
    *,
    stdin: int | None = subprocess.DEVNULL,
    output: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start `command` in `directory` as `account`, in a session of its own.

    The session keeps a terminal's Ctrl-C from the server: the supervisor stops it last. On Linux
    the child gets SIGINT, PostgreSQL's fast shutdown, when the calling *thread* ends. Raises
    OSError.
    """
    end_with_parent = functools.partial(_end_with_parent, os.getpid())
    return subprocess.Popen(
        command,
        cwd=directory,
        env=_ENVIRONMENT,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        user=account.uid if account.is_dropped_to else None,
        group=account.gid if account.is_dropped_to else None,
        extra_groups=[] if account.is_dropped_to else None,
        start_new_session=True,
        # It runs after the change of user, which clears the death signal, and only calls what is
        # safe in a fork: no allocation by imports, no lock.
        preexec_fn=end_with_parent if _LIBC else None,  # noqa: PLW1509
    )


def _end_with_parent(parent_pid: int) -> None:
    assert _LIBC is not None, "set on Linux only"
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent_pid:
        # The supervisor died before the line above, so no signal will come.
        os._exit(1)


def launch_kept(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Call `start` in a thread that lives as long as the child, and reap the child there.

    The death signal follows the thread that forked, so a child of a passing thread would be ended
    with it. Raises what `start` raises.
    """
    started: Future[subprocess.Popen[bytes]] = Future()

    def keep() -> None:
        try:
            child = start()
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(child)
        child.wait()

    threading.Thread(target=keep, name="postgres-keeper", daemon=True).start()
    return started.result()
