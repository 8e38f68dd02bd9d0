"""The PostgreSQL server that the product starts by itself, and how to reach one in any case.

Owns the server's life: start, readiness, stop, restart. Must not know tables. Protects two
invariants: one supervisor per data directory, and no server without its supervisor
(docs/adr/0001-embedded-postgresql.md).
"""

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import psycopg

from largesse.adapters.postgres.embedded import cluster as files
from largesse.adapters.postgres.embedded.account import Account, choose_account
from largesse.adapters.postgres.embedded.binaries import Binaries, binaries_for
from largesse.adapters.postgres.embedded.ownership import OwnerLock, current_owner
from largesse.adapters.postgres.embedded.programs import cluster_argument, launch, launch_kept
from largesse.adapters.postgres.embedded.settings import (
    default_settings,
    fixed_settings,
    physical_memory_bytes,
)
from largesse.adapters.postgres.embedded.sockets import (
    PORT,
    prepare_socket_directory,
    remove_socket_directory,
)
from largesse.adapters.postgres.errors import (
    ServerError,
    ServerStartFailed,
    ServerUnreachable,
)
from largesse.adapters.postgres.safety import check_server

DATABASE = "largesse"
_FIRST_DATABASE = "postgres"  # the one that initdb makes
_POLL_SECONDS = 0.005
_LOG_LIMIT_BYTES = 10_000_000

StopMode = Literal["smart", "fast", "immediate"]
# From the gentlest on: a server that does not obey gets the next one.
_SIGNALS: Mapping[StopMode | Literal["kill"], signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "kill": signal.SIGKILL,
}


class EmbeddedServer:
    """PostgreSQL on one data directory, as a child of this process; a context manager.

    `settings` replace defaults, never what durability and privacy need. Crash recovery may take
    up to `start_timeout_seconds`; the end of a server, its own or a predecessor's, up to
    `patience_seconds` per signal. Not for use by several threads at once.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        start_timeout_seconds: float = 300.0,
        patience_seconds: float = 30.0,
    ) -> None:
        self._layout = files.Layout(data_dir.absolute())
        self._settings = dict(settings or {})
        self._start_timeout_seconds = start_timeout_seconds
        self._patience_seconds = patience_seconds
        self._lock: OwnerLock | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._socket_directory: Path | None = None
        self._password = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return the address of the product's database, with its password."""
        return _url(self._running_socket_directory(), self._password, DATABASE)

    @property
    def pid(self) -> int:
        """Return the postmaster's process id."""
        return self._running_child().pid

    def poll(self) -> int | None:
        """Return None while the server runs, else how it ended (negative: the signal)."""
        return self._running_child().poll()

    def start(self) -> None:
        """Take the data directory, make the cluster if there is none, and wait until it is ready.

        Raises ServerError; then nothing is left running or locked.
        """
        files.make_root(self._layout)
        self._lock = lock = OwnerLock(self._layout.owner_lock)
        try:
            orphan_pid = lock.previous.postgres_pid if lock.previous else None
            self._launch(lock, orphan_pid)
        except BaseException:
            self.stop("immediate")
            raise

    def stop(self, mode: StopMode = "fast") -> None:
        """End the server and let the data directory go; nothing happens if it is not running.

        smart waits for sessions to end, fast breaks them off, immediate leaves recovery to the
        next start. A server that does not end in time is ended more harshly.
        """
        self._end_child(mode)
        if self._socket_directory is not None:
            remove_socket_directory(self._socket_directory)
            self._socket_directory = None
        if self._lock is not None:
            self._lock.record(None, None)
            self._lock.release()
            self._lock = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start on the same data directory, also after the server has died by itself.

        The lock is held throughout, so nobody comes in between. Raises ServerError, after which
        the server is stopped.
        """
        if self._lock is None:
            raise ServerError("This server was not started, or is stopped: call start().")
        orphan_pid = self.pid
        self._end_child(mode)
        try:
            self._launch(self._lock, orphan_pid)
        except BaseException:
            self.stop("immediate")
            raise

    def _launch(self, lock: OwnerLock, orphan_pid: int | None) -> None:
        layout = self._layout
        account = choose_account(layout.cluster)
        binaries = binaries_for(account, layout.spare_binaries)
        self._password = files.password_of(layout)
        is_new = files.ensure_cluster(layout, binaries, account, self._password)
        self._socket_directory = prepare_socket_directory(layout.data_dir, account)
        files.clear_residue(
            layout.cluster,
            self._socket_directory,
            orphan_pid=orphan_pid,
            patience_seconds=self._patience_seconds,
        )
        settings = default_settings(physical_memory_bytes()) | self._settings
        files.write_settings(layout.cluster, account, settings)
        self._child = self._run(binaries, account, self._socket_directory)
        lock.record(self._child.pid, self._socket_directory)
        self._wait_until_ready(self._child)
        self._ensure_database(is_new)

    def _run(
        self, binaries: Binaries, account: Account, socket_directory: Path
    ) -> subprocess.Popen[bytes]:
        cluster = self._layout.cluster
        command = [binaries.program("postgres"), "-D", cluster_argument(cluster, account)]
        for name, value in fixed_settings(socket_directory).items():
            command += ["-c", f"{name}={value}"]
        _rotate(self._layout.log)
        with self._layout.log.open("ab") as log:
            return launch_kept(lambda: launch(command, account, cluster, output=log))

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_timeout_seconds
        while not files.is_ready(self._layout.cluster, child.pid):
            if child.poll() is not None:
                raise ServerStartFailed(f"PostgreSQL ended while starting. {self._last_words()}")
            if time.monotonic() > deadline:
                raise ServerStartFailed(
                    f"PostgreSQL was not ready after {self._start_timeout_seconds:.0f} s. If it "
                    f"recovers from a crash, start again with more time. {self._last_words()}"
                )
            time.sleep(_POLL_SECONDS)

    def _ensure_database(self, is_new: bool) -> None:
        address = _url(self._running_socket_directory(), self._password, _FIRST_DATABASE)
        try:
            with psycopg.connect(address, autocommit=True) as connection:
                query = "SELECT 1 FROM pg_database WHERE datname = %s"
                # A crash between initdb and here leaves a cluster without it.
                if is_new or connection.execute(query, [DATABASE]).fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.Error as error:
            raise ServerStartFailed(
                f"Cannot use the server on {self._layout.cluster}: {str(error).strip()}. If the "
                f"password was changed, write the new one into {self._layout.password}."
            ) from error

    def _end_child(self, mode: StopMode) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        for number in list(_SIGNALS.values())[list(_SIGNALS).index(mode) :]:
            child.send_signal(number)
            try:
                child.wait(self._patience_seconds)
            except subprocess.TimeoutExpired:
                continue
            return

    def _last_words(self) -> str:
        text = self._layout.log.read_text(encoding="utf-8", errors="replace")
        lines = "\n".join(text.splitlines()[-8:])
        return f"The end of {self._layout.log}:\n{lines}"

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise ServerError("This server was not started, or is stopped: call start().")
        return self._child

    def _running_socket_directory(self) -> Path:
        if self._socket_directory is None:
            raise ServerError("This server was not started, or is stopped: call start().")
        return self._socket_directory


def running_url(data_dir: Path) -> str | None:
    """Return the address of the server that another process runs on `data_dir`, or None.

    Raises ServerUnreachable while that process is still starting it (a retry helps), and
    ClusterUnusable when this user may not read its password.
    """
    layout = files.Layout(data_dir.absolute())
    owner = current_owner(layout.owner_lock)
    if owner is None:
        return None
    if owner.socket_directory is None:
        raise ServerUnreachable(
            f"Process {owner.supervisor_pid} is starting or stopping the database in {data_dir}. "
            "Try again in a moment."
        )
    return _url(Path(owner.socket_directory), files.password_of(layout), DATABASE)


@contextmanager
def open_database(data_dir: Path, database_url: str | None = None) -> Iterator[str]:
    """Give the address of a trustworthy database, for as long as the block lasts.

    In this order: `database_url`; the server that runs on `data_dir`; one started on it for the
    block. Raises ServerError (UnsafeServer for one that could lose money).
    """
    address = database_url or running_url(data_dir)
    if address is not None:
        check_server(address)
        yield address
        return
    with EmbeddedServer(data_dir) as server:
        check_server(server.url)
        yield server.url


def _url(socket_directory: Path, password: str, database: str) -> str:
    host = quote(str(socket_directory), safe="")
    return (
        f"postgresql://{files.ROLE}:{quote(password, safe='')}@/{database}?host={host}&port={PORT}"
    )


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
