"""Whose a data directory is: the lock that one supervisor holds, and what it tells the others.

Owns `owner.lock`. Must not know how a server is started or ended. Protects one invariant: at most
one supervisor per data directory, and its lock ends with it, however it ends.
"""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from largesse.adapters.postgres.errors import ClusterUnusable, DataDirectoryInUse

# `current_owner` holds the lock for a moment where nobody has it, which must not turn a start away.
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Owner:
    """What the holder of the lock has written down; what a dead one wrote stays readable."""

    supervisor_pid: int
    postgres_pid: int | None
    socket_directory: str | None


class OwnerLock:
    """An flock on one file, held from construction until `release` or the process's end."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises DataDirectoryInUse, after 0.1 s, when another process has it."""
        self._descriptor = _open(path, os.O_CREAT)
        if not _try_lock(self._descriptor):
            os.close(self._descriptor)
            raise DataDirectoryInUse(_in_use(path))
        self.previous = _read(self._descriptor)
        """What the last owner had written: of use when it could not end its server."""
        self.record(None, None)

    def record(self, postgres_pid: int | None, socket_directory: Path | None) -> None:
        """Write down the server, for others who want to use it and for the next owner."""
        owner = Owner(
            os.getpid(), postgres_pid, str(socket_directory) if socket_directory else None
        )
        # One write of less than a page, after which a reader finds old or new text, not a mixture.
        text = json.dumps(asdict(owner)).ljust(512).encode()
        os.pwrite(self._descriptor, text, 0)

    def release(self) -> None:
        """Let the next owner in. Doing so twice is an error of the caller."""
        os.close(self._descriptor)


def current_owner(path: Path) -> Owner | None:
    """Return what the living owner wrote, or None when no process holds the lock."""
    try:
        descriptor = _open(path, 0)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    finally:
        os.close(descriptor)
    return None


def _try_lock(descriptor: int) -> bool:
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ClusterUnusable(
            f"Cannot open {path}: {error.strerror}. Run as the user who made the data directory "
            "(root, if it was made as root), or choose another one."
        ) from error


def _read(descriptor: int) -> Owner | None:
    text = os.pread(descriptor, 4096, 0).decode().strip()
    try:
        return Owner(**json.loads(text))
    except (ValueError, TypeError):
        # Empty at the first start, and before a new owner's first record.
        return None


def _in_use(path: Path) -> str:
    owner = current_owner(path)
    who = f"process {owner.supervisor_pid}" if owner else "another process"
    return (
        f"{path.parent.parent} is in use by {who}, which runs this product on it. "
        "Stop that first, or choose another data directory (--data DIR, or LARGESSE_DATA)."
    )
