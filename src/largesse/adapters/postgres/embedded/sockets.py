"""The directory of the server's Unix socket.

Owns where it is and that it is safe. Must not know who connects. Protects two invariants: the path
fits into a socket's address however long the data directory's is, and nobody else can enter it.
"""

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from largesse.adapters.postgres.embedded.account import Account
from largesse.adapters.postgres.errors import SocketDirectoryUnsafe

PORT = 5432
"""Part of the socket's name only: the server listens on no port."""

SOCKET_NAME = f".s.PGSQL.{PORT}"
# sun_path holds 108 bytes on Linux and 104 elsewhere, and the last one is zero.
_LONGEST_PATH_BYTES = 107 if sys.platform.startswith("linux") else 103


def prepare_socket_directory(data_dir: Path, account: Account) -> Path:
    """Make, or check, the socket directory of `data_dir`: its name depends on nothing else.

    Never inside the data directory, which may lie too deep, or on a file system without sockets.
    Raises SocketDirectoryUnsafe.
    """
    name = "largesse-" + hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    for base in _bases():
        directory = base / name
        if len(os.fsencode(directory / SOCKET_NAME)) > _LONGEST_PATH_BYTES:
            continue
        try:
            _make(directory, account)
        except OSError:
            continue
        return directory
    raise SocketDirectoryUnsafe(
        "Found no place for the database's socket: none of "
        f"{', '.join(str(base) for base in _bases())} is writable and short enough. "
        "Set TMPDIR to a short directory."
    )


def remove_socket_directory(directory: Path) -> None:
    """Remove the directory of a stopped server; one that is not empty stays."""
    try:
        directory.rmdir()
    except OSError:
        # Whatever lies there is not ours, and the next start checks the directory again.
        return


def _bases() -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    private = [Path("/run")] if os.geteuid() == 0 else [Path(runtime)] if runtime else []
    shared = [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 -- _make checks the owner
    return list(dict.fromkeys(private + shared))


def _make(directory: Path, account: Account) -> None:
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        if account.is_dropped_to:
            os.chown(directory, account.uid, account.gid, follow_symlinks=False)
    facts = directory.lstat()
    is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == account.uid
    if not is_ours or stat.S_IMODE(facts.st_mode) & 0o077:
        raise SocketDirectoryUnsafe(
            f"{directory} exists, and is not a directory of user id {account.uid} with mode 0700: "
            "somebody else may have put it there. Look at it, and remove it."
        )
