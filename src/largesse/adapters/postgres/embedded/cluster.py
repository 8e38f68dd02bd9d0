"""The files of one cluster: its creation, its password, its settings, and what a crash left there.

Owns `<data>/postgres`. Must not know connections, or how long a server lives. Protects two
invariants: a cluster exists whole or not at all, and no lock file of a living server is removed.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from largesse.adapters import private_file
from largesse.adapters.postgres.embedded.account import Account
from largesse.adapters.postgres.embedded.binaries import Binaries
from largesse.adapters.postgres.embedded.processes import end_server, end_stragglers, is_server_of
from largesse.adapters.postgres.embedded.programs import cluster_argument, launch
from largesse.adapters.postgres.embedded.settings import HBA_TEXT, render_settings
from largesse.adapters.postgres.embedded.sockets import SOCKET_NAME
from largesse.adapters.postgres.errors import (
    ClusterUnusable,
    DataDirectoryInUse,
    ServerStartFailed,
)

ROLE = "largesse"
"""The superuser, and the only role that the supervisor makes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of the embedded server lies."""

    data_dir: Path

    @property
    def root(self) -> Path:
        """Return the directory for all of it, of the supervisor's own user."""
        return self.data_dir / "postgres"

    @property
    def cluster(self) -> Path:
        """Return PostgreSQL's own data directory, of the server's user."""
        return self.root / "cluster"

    @property
    def owner_lock(self) -> Path:
        """Return the file that the running supervisor holds locked."""
        return self.root / "owner.lock"

    @property
    def password(self) -> Path:
        """Return the file with the role's password."""
        return self.root / "password"

    @property
    def log(self) -> Path:
        """Return what the server says."""
        return self.root / "server.log"

    @property
    def spare_binaries(self) -> Path:
        """Return the place for a copy of the programs when the system's cache is not writable."""
        return self.root / "programs"


def make_root(layout: Layout) -> None:
    """Make the data directory and the part of it that is ours. Raises ClusterUnusable."""
    try:
        layout.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        layout.root.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ClusterUnusable(
            f"Cannot make {layout.root}: {error.strerror}. Choose a directory that you may "
            "write (--data DIR, or LARGESSE_DATA)."
        ) from error


def password_of(layout: Layout) -> str:
    """Return the role's password, made at the first call. Raises ClusterUnusable."""
    try:
        if layout.cluster.exists():
            return private_file.read(layout.password)
        return private_file.read_or_create(layout.password, secrets.token_urlsafe(32))
    except FileNotFoundError:
        raise ClusterUnusable(
            f"{layout.password} is missing, and without it nobody can log in to {layout.cluster}. "
            "Put it back from a backup of the data directory."
        ) from None
    except private_file.PrivateFileError as error:
        raise ClusterUnusable(str(error)) from error


def ensure_cluster(layout: Layout, binaries: Binaries, account: Account, password: str) -> bool:
    """Make the cluster unless it exists; say whether it is new.

    Raises ClusterUnusable when it is of another major version, and ServerStartFailed.
    """
    if layout.cluster.exists():
        _check_version(layout, binaries)
        return False
    draft = layout.root / "cluster.draft"
    # Left by a crash in the middle of the lines below.
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if account.is_dropped_to:
        os.chown(draft, account.uid, account.gid)
    _initdb(draft, binaries, account, password)
    # initdb has synced the files, so the name may appear.
    draft.rename(layout.cluster)
    private_file.sync_directory(layout.root)
    return True


def _initdb(draft: Path, binaries: Binaries, account: Account, password: str) -> None:
    command = [
        binaries.program("initdb"),
        f"--pgdata={cluster_argument(draft, account)}",
        f"--username={ROLE}",
        "--pwfile=/dev/stdin",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # Built in, so that indexes never depend on the operating system's collation versions.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-instructions",
    ]
    reading, writing = os.pipe()
    try:
        if account.is_dropped_to:
            # initdb opens its standard input again by name, for which it must own the pipe.
            os.fchown(reading, account.uid, account.gid)
        os.write(writing, password.encode() + b"\n")
        os.close(writing)
        child = launch(command, account, draft, stdin=reading, output=subprocess.PIPE)
    finally:
        os.close(reading)
    with child:
        output, _ = child.communicate()
    if child.returncode != 0:
        raise ServerStartFailed(
            f"initdb could not make {draft.parent}: {output.decode(errors='replace')[-1000:]}"
        )


def _check_version(layout: Layout, binaries: Binaries) -> None:
    try:
        version = (layout.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    except OSError as error:
        raise ClusterUnusable(
            f"{layout.cluster} is not a PostgreSQL cluster ({error.strerror}: PG_VERSION). "
            "Restore it from a backup, or choose another data directory."
        ) from error
    if version != str(binaries.major_version):
        raise ClusterUnusable(
            f"{layout.cluster} was made by PostgreSQL {version}, and {binaries.major_version} is "
            f"installed. Dump it with the product's release that ran {version} (pg_dump), and "
            "restore the dump into a new data directory."
        )


def write_settings(cluster: Path, account: Account, settings: Mapping[str, str]) -> None:
    """Write postgresql.conf and pg_hba.conf anew, so that they are of this release."""
    directory = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name, text in (
            ("postgresql.conf", render_settings(settings)),
            ("pg_hba.conf", HBA_TEXT),
        ):
            _replace(directory, name, text, account)
    finally:
        os.close(directory)


def _replace(directory: int, name: str, text: str, account: Account) -> None:
    # The directory belongs to the server's user, and we may be root: no name in it is followed.
    draft = f"{name}.draft"
    with contextlib.suppress(FileNotFoundError):  # only a crash leaves one
        os.unlink(draft, dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(draft, flags, 0o600, dir_fd=directory), "w", encoding="utf-8") as file:
        if account.is_dropped_to:
            os.fchown(file.fileno(), account.uid, account.gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)


def clear_residue(
    cluster: Path, socket_directory: Path, *, orphan_pid: int | None, patience_seconds: float
) -> None:
    """End what a dead supervisor left running on `cluster`, and remove dead servers' lock files.

    `orphan_pid` is the postmaster that the last supervisor started. A living one that it did not
    start is left alone. Only for the holder of the owner lock. Raises DataDirectoryInUse.
    """
    lock_file = cluster / "postmaster.pid"
    pid = recorded_pid(lock_file)
    is_alive = pid is not None and is_server_of(pid, cluster)
    if pid is not None and is_alive and pid == orphan_pid:
        is_alive = not end_server(pid, cluster, patience_seconds)
    if is_alive:
        raise DataDirectoryInUse(
            f"Another PostgreSQL server (process {pid}) runs on {cluster}. "
            f"Stop it (kill -INT {pid}), or choose another data directory."
        )
    if remaining := end_stragglers(cluster, patience_seconds):
        raise DataDirectoryInUse(
            f"Processes of a dead server still use {cluster}: {remaining}. "
            "They may hang on a disk; when they are gone, start again."
        )
    # What the files name is dead, a zombie, or another program that got the same process id, and
    # PostgreSQL takes the last two for a living server.
    lock_file.unlink(missing_ok=True)
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        (socket_directory / name).unlink(missing_ok=True)


def recorded_pid(lock_file: Path) -> int | None:
    """Return the process id in the first line of a PostgreSQL lock file, if there is one."""
    try:
        first_line = lock_file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        # A single-user server writes its id negative.
        return abs(int(first_line))
    except (FileNotFoundError, ValueError):
        return None


def is_ready(cluster: Path, pid: int) -> bool:
    """Say whether the postmaster `pid` takes connections, by the status that it writes itself."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
