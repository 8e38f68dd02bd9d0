"""Which servers are refused: one that forgets, one too old, one that is not there."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from largesse.adapters.postgres.embedded.account import choose_account
from largesse.adapters.postgres.embedded.binaries import find_binaries
from largesse.adapters.postgres.embedded.programs import cluster_argument, launch
from largesse.adapters.postgres.embedded.sockets import prepare_socket_directory
from largesse.adapters.postgres.errors import BadAddress, ServerUnreachable, UnsafeServer
from largesse.adapters.postgres.safety import ServerFacts, check_server, find_faults
from largesse.adapters.postgres.server import open_database
from tests.adapters.postgres.supervised import wait_until
from tests.adapters.postgres.test_server import server_on

GOOD = ServerFacts(180_004, fsync=True, full_page_writes=True, synchronous_commit="on")


@contextmanager
def foreign_server(data_dir: Path, *options: str) -> Iterator[str]:
    """Run the cluster of `data_dir` with `options`, as a server that is not ours would be."""
    with server_on(data_dir) as server:
        url = server.url
    cluster = data_dir / "postgres" / "cluster"
    account = choose_account(cluster)
    directory = prepare_socket_directory(data_dir, account)
    command = [find_binaries().program("postgres"), "-D", cluster_argument(cluster, account)]
    command += ["-c", "listen_addresses=", "-c", f"unix_socket_directories={directory}"]
    for option in options:
        command += ["-c", option]
    with launch(command, account, cluster, output=subprocess.DEVNULL) as child:
        try:
            assert wait_until(lambda: is_answering(url))
            yield url
        finally:
            child.terminate()
    directory.rmdir()


def is_answering(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_facts_of_the_embedded_server(tmp_path: Path) -> None:
    with server_on(tmp_path) as server:
        facts = check_server(server.url)
    assert facts.major_version == find_binaries().major_version
    assert facts == replace(GOOD, version_number=facts.version_number)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_server_that_forgets_is_refused(tmp_path: Path, setting: str) -> None:
    with foreign_server(tmp_path, f"{setting}=off") as url:
        with pytest.raises(UnsafeServer, match=f"{setting} is off.*ALTER SYSTEM") as refusal:
            check_server(url)
        assert len(refusal.value.faults) == 1
        with pytest.raises(UnsafeServer), open_database(tmp_path / "other", url):
            pytest.fail("the block must not be entered")


@pytest.mark.parametrize("target", ["ROLE", "DATABASE"])
def test_user_or_database_that_forgets_is_refused(tmp_path: Path, target: str) -> None:
    with server_on(tmp_path) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"ALTER {target} largesse SET synchronous_commit = off")
        with pytest.raises(UnsafeServer, match=f"ALTER {target}"):
            check_server(server.url)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (GOOD, []),
        (replace(GOOD, version_number=150_000), []),
        (replace(GOOD, synchronous_commit="remote_apply"), []),
        (replace(GOOD, version_number=140_012), ["version 14"]),
        (replace(GOOD, fsync=False), ["fsync is off"]),
        (replace(GOOD, full_page_writes=False), ["full_page_writes is off"]),
        (replace(GOOD, synchronous_commit="off"), ["synchronous_commit is off"]),
        (ServerFacts(90_600, False, False, "off"), ["version 9", "fsync", "full_page", "synchr"]),
    ],
)
def test_every_fault_is_named(facts: ServerFacts, words: list[str]) -> None:
    faults = find_faults(facts)
    assert len(faults) == len(words)
    for fault, word in zip(faults, words, strict=True):
        assert word in fault


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hunter2@127.0.0.1:9/x", "postgresql://u:hunter2@/x?host=/nowhere"],
)
def test_absent_server_is_explained_without_the_password(url: str) -> None:
    with pytest.raises(ServerUnreachable, match="Check that it runs") as refusal:
        check_server(url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["hunter2", "postgresql://u:hunter2/x@db/x", "host=db port=hunter2"]
)
def test_unreadable_address_is_explained_without_the_password(url: str) -> None:
    with pytest.raises(BadAddress, match="percent-encoded") as refusal:
        check_server(url)
    assert "hunter2" not in str(refusal.value)
