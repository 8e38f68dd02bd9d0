"""The embedded server in good times: first start, restarts, its settings, its addresses."""

import os
import threading
from pathlib import Path

import psycopg
import pytest

from largesse.adapters.postgres.errors import ClusterUnusable, DataDirectoryInUse, ServerError
from largesse.adapters.postgres.server import EmbeddedServer, open_database, running_url
from tests.adapters.postgres.supervised import supervisor, wait_until

SMALL = {"shared_buffers": "16MB"}


def server_on(data_dir: Path, **settings: str) -> EmbeddedServer:
    return EmbeddedServer(data_dir, settings={**SMALL, **settings})


def ask(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row and len(row) == 1 else row


def write_row(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (coins bigint)")
        connection.execute("INSERT INTO kept VALUES (42)")


def test_restart_keeps_data(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        write_row(server.url)
        first_pid = server.pid
        server.restart()
        assert server.pid != first_pid
        assert ask(server.url, "SELECT coins FROM kept") == 42
    with server_on(tmp_path) as server:
        assert ask(server.url, "SELECT coins FROM kept") == 42


def test_database_is_utf8_and_in_utc(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        assert ask(server.url, "SELECT current_database()") == "largesse"
        assert ask(server.url, "SHOW server_encoding") == "UTF8"
        assert ask(server.url, "SHOW timezone") == "UTC"
        assert ask(server.url, "SELECT lower('É')") == "é"
        assert ask(server.url, "SHOW jit") == "off"
        assert ask(server.url, "SHOW data_checksums") == "on"


def test_operator_changes_settings_by_alter_system(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        ask(server.url, "SELECT 1")
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET max_connections = 60")
        server.restart()
        assert ask(server.url, "SHOW max_connections") == "60"


def test_durability_cannot_be_switched_off(tmp_path: Path) -> None:
    with server_on(tmp_path, fsync="off", full_page_writes="off") as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_commit = off")
            connection.execute("ALTER SYSTEM SET listen_addresses = '*'")
        server.restart()
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert ask(server.url, f"SHOW {name}") == "on"
        assert ask(server.url, "SHOW listen_addresses") == ""


def test_long_data_path(tmp_path: Path) -> None:
    data_dir = tmp_path / ("deep" * 30) / ("er" * 60)
    with server_on(data_dir) as server:
        assert ask(server.url, "SELECT 1") == 1


def test_stop_is_complete_and_repeatable(tmp_path: Path) -> None:
    server = server_on(tmp_path)
    server.start()
    pid = server.pid
    host = psycopg.conninfo.conninfo_to_dict(server.url)["host"]
    server.stop()
    server.stop()
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(str(host)).exists()
    with pytest.raises(ServerError, match="call start"):
        _ = server.url
    with pytest.raises(ServerError, match="call start"):
        server.restart()


def test_stop_breaks_off_sessions(tmp_path: Path) -> None:
    with server_on(tmp_path) as server, psycopg.connect(server.url) as connection:
        connection.execute("SELECT 1")
        server.stop("fast")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()


def test_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    server = server_on(tmp_path)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert not wait_until(lambda: server.poll() is not None, timeout_seconds=0.5)
        assert ask(server.url, "SELECT 1") == 1
    finally:
        server.stop()


def test_terminal_signals_do_not_reach_the_server(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        assert os.getsid(server.pid) == server.pid


def test_second_owner_is_refused(tmp_path: Path) -> None:
    with supervisor(tmp_path) as first:
        with pytest.raises(DataDirectoryInUse) as refusal:
            server_on(tmp_path).start()
        assert f"process {first.process.pid}" in str(refusal.value)
        assert "--data DIR" in str(refusal.value)
        assert ask(first.url, "SELECT 1") == 1


def test_second_owner_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with server_on(tmp_path) as first:
        with pytest.raises(DataDirectoryInUse):
            server_on(tmp_path).start()
        with pytest.raises(DataDirectoryInUse):
            first.start()
        assert ask(first.url, "SELECT 1") == 1


def test_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    draft = tmp_path / "postgres" / "cluster.draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    with server_on(tmp_path) as server:
        assert ask(server.url, "SELECT 1") == 1
    assert not draft.exists()


def test_missing_database_is_made_again(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        other = server.url.replace("@/largesse?", "@/postgres?")
        with psycopg.connect(other, autocommit=True) as connection:
            connection.execute("DROP DATABASE largesse")
        server.restart()
        assert ask(server.url, "SELECT current_database()") == "largesse"


@pytest.mark.parametrize(
    ("version", "reason"), [("17", "made by PostgreSQL 17"), (None, "not a PostgreSQL cluster")]
)
def test_unknown_cluster_is_refused(tmp_path: Path, version: str | None, reason: str) -> None:
    with server_on(tmp_path):
        pass
    file = tmp_path / "postgres" / "cluster" / "PG_VERSION"
    file.unlink() if version is None else file.write_text(f"{version}\n")
    with pytest.raises(ClusterUnusable, match=reason):
        server_on(tmp_path).start()


def test_failed_start_leaves_nothing_locked(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="no_such_setting"):
        server_on(tmp_path, no_such_setting="1").start()
    with server_on(tmp_path) as server:
        assert ask(server.url, "SELECT 1") == 1


def test_running_url_is_that_of_the_owner(tmp_path: Path) -> None:
    assert running_url(tmp_path) is None
    with supervisor(tmp_path) as owner:
        assert running_url(tmp_path) == owner.url
    assert wait_until(lambda: running_url(tmp_path) is None)


def test_open_database_starts_a_server_for_the_block(tmp_path: Path) -> None:
    with open_database(tmp_path) as url:
        assert ask(url, "SELECT 1") == 1
        with open_database(tmp_path) as same_url:
            assert same_url == url
    assert running_url(tmp_path) is None


def test_open_database_prefers_the_given_server(tmp_path: Path) -> None:
    with server_on(tmp_path / "one") as server:
        with open_database(tmp_path / "two", server.url) as url:
            assert url == server.url
        assert not (tmp_path / "two").exists()
