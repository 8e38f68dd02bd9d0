"""The embedded server in bad times: kill -9 of it, of its supervisor, and what they leave."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from largesse.adapters.postgres.embedded.account import choose_account
from largesse.adapters.postgres.embedded.binaries import find_binaries
from largesse.adapters.postgres.embedded.processes import is_server_of, servers_of
from largesse.adapters.postgres.embedded.programs import cluster_argument, launch
from largesse.adapters.postgres.errors import DataDirectoryInUse
from largesse.adapters.postgres.server import EmbeddedServer
from tests.adapters.postgres.supervised import supervisor, wait_until
from tests.adapters.postgres.test_server import ask, server_on, write_row

linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs /proc and prctl"
)
PR_SET_CHILD_SUBREAPER = 36


def cluster_of(data_dir: Path) -> Path:
    return data_dir / "postgres" / "cluster"


@pytest.fixture
def adoption() -> Iterator[None]:
    """Make this process adopt orphans and reap none, as a container's PID 1 that is no init."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


def test_killed_server_is_noticed_and_restarted(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        write_row(server.url)
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: server.poll() == -signal.SIGKILL)
        server.restart()
        assert server.poll() is None
        assert ask(server.url, "SELECT coins FROM kept") == 42


def test_killed_backend_leaves_the_server_running(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        write_row(server.url)
        with psycopg.connect(server.url) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
            connection.close()
        assert wait_until(lambda: can_ask(server))
        assert ask(server.url, "SELECT coins FROM kept") == 42


def can_ask(server: EmbeddedServer) -> bool:
    try:
        return ask(server.url, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


@linux_only
def test_server_dies_with_its_killed_supervisor(tmp_path: Path) -> None:
    with supervisor(tmp_path) as killed:
        write_row(killed.url)
        killed.process.kill()
        killed.process.wait()
        assert wait_until(lambda: not servers_of(cluster_of(tmp_path)))
    with server_on(tmp_path) as server:
        assert ask(server.url, "SELECT coins FROM kept") == 42


def test_next_supervisor_starts_at_once_after_a_killed_one(tmp_path: Path) -> None:
    with supervisor(tmp_path) as killed:
        write_row(killed.url)
        killed.process.kill()
        killed.process.wait()
        with server_on(tmp_path) as server:
            assert ask(server.url, "SELECT coins FROM kept") == 42


@linux_only
def test_orphan_that_does_not_obey_is_ended(tmp_path: Path) -> None:
    with supervisor(tmp_path) as killed:
        write_row(killed.url)
        os.kill(killed.postgres_pid, signal.SIGSTOP)
        killed.process.kill()
        killed.process.wait()
        assert is_server_of(killed.postgres_pid, cluster_of(tmp_path))
        with EmbeddedServer(tmp_path, patience_seconds=0.5) as server:
            assert not is_server_of(killed.postgres_pid, cluster_of(tmp_path))
            assert ask(server.url, "SELECT coins FROM kept") == 42


@linux_only
def test_zombie_that_nobody_reaps_does_not_block(tmp_path: Path, adoption: None) -> None:
    with supervisor(tmp_path) as killed:
        write_row(killed.url)
        # Stopped, the supervisor cannot reap its child before it dies itself.
        killed.process.send_signal(signal.SIGSTOP)
        os.waitpid(killed.process.pid, os.WUNTRACED)
        os.kill(killed.postgres_pid, signal.SIGKILL)
        killed.process.kill()
        killed.process.wait()
        stat = Path(f"/proc/{killed.postgres_pid}/stat")
        assert wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")
        recorded = (cluster_of(tmp_path) / "postmaster.pid").read_text().splitlines()[0]
        assert recorded == str(killed.postgres_pid)
        with server_on(tmp_path) as server:
            assert ask(server.url, "SELECT coins FROM kept") == 42


@linux_only
def test_backend_of_a_dead_postmaster_is_ended(tmp_path: Path) -> None:
    with server_on(tmp_path) as server, psycopg.connect(server.url) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: server.poll() is not None)
        assert backend in servers_of(cluster_of(tmp_path))
        server._patience_seconds = 0.5
        server.restart()
        assert backend not in servers_of(cluster_of(tmp_path))
        connection.close()


def test_lock_files_that_name_another_program_are_cleared(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        write_row(server.url)
        lock_text = (cluster_of(tmp_path) / "postmaster.pid").read_text()
        pid = str(server.pid)
    account = choose_account(cluster_of(tmp_path))
    # Of the server's own user, for which PostgreSQL takes it for a living postmaster.
    with launch(["/bin/sleep", "60"], account, Path("/")) as stranger:
        stale = lock_text.replace(pid, str(stranger.pid), 1)
        (cluster_of(tmp_path) / "postmaster.pid").write_text(stale)
        with server_on(tmp_path) as server:
            assert ask(server.url, "SELECT coins FROM kept") == 42
        assert stranger.poll() is None, "an unrelated process was harmed"
        stranger.kill()


@linux_only
def test_foreign_server_on_the_directory_is_left_alone(tmp_path: Path) -> None:
    with server_on(tmp_path):
        pass
    with by_hand(tmp_path) as foreign:
        assert wait_until((cluster_of(tmp_path) / "postmaster.pid").exists)
        with pytest.raises(DataDirectoryInUse, match=f"process {foreign.pid}") as refusal:
            server_on(tmp_path).start()
        assert "kill -INT" in str(refusal.value)
        assert foreign.poll() is None
        assert (cluster_of(tmp_path) / "postmaster.pid").exists()
        foreign.send_signal(signal.SIGINT)
    with server_on(tmp_path) as server:
        assert ask(server.url, "SELECT 1") == 1


def by_hand(data_dir: Path) -> subprocess.Popen[bytes]:
    """Start PostgreSQL on the cluster as an operator would, without the supervisor."""
    cluster = cluster_of(data_dir)
    account = choose_account(cluster)
    command = [find_binaries().program("postgres"), "-D", cluster_argument(cluster, account)]
    options = ["-c", "listen_addresses=", "-c", "unix_socket_directories=."]
    return launch([*command, *options], account, cluster, output=subprocess.DEVNULL)
