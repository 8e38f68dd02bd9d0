"""How the command line ends when it cannot go on: a sentence, an exit code, never a traceback."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from largesse.adapters.config import ConfigError
from largesse.adapters.postgres.errors import ServerUnreachable
from largesse.commands.failures import ExitCode, explain
from largesse.commands.starting import Choices, environment, held_ports
from largesse.money.errors import DomainError, InvariantViolation, TransientError
from tests.commands.conftest import Largesse


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("LARGESSE_DATA", str(tmp_path))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def choices(port: int, host: str = "127.0.0.1", *, sandbox: bool = True) -> Choices:
    return Choices(Path("/tmp/largesse-none"), host, port, sandbox, False, False)  # noqa: S108


@pytest.mark.parametrize(
    "command",
    [
        ("books", "check"),
        ("books", "export"),
        ("accounts",),
        ("statement", "ann"),
        ("clock", "show"),
        ("staff", "add", "a@example.org"),
    ],
)
def test_a_directory_without_books_is_not_turned_into_one(
    command: tuple[str, ...], no_database: None, largesse: Largesse, tmp_path: Path
) -> None:
    answer = largesse(*command)
    assert answer.code == ExitCode.ENVIRONMENT
    assert "largesse up" in answer.err
    assert answer.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_database_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, largesse: Largesse
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:9/books")
    answer = largesse("accounts")
    assert answer.code == ExitCode.ENVIRONMENT
    assert "DATABASE_URL" in answer.err
    assert "hunter2" not in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("arguments", [("dance",), ("up", "--port", "0"), ("statement",)])
def test_wrong_usage_ends_with_two(arguments: tuple[str, ...], largesse: Largesse) -> None:
    assert largesse(*arguments).code == ExitCode.USAGE


def test_help_names_the_exit_codes_and_stays_light() -> None:
    program = (
        "import sys; from largesse import cli; sys.argv = ['largesse', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'django', 'psycopg', 'httpx', 'granian'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "3 the" in answer.stdout
    for command in ("up", "demo", "books", "accounts", "statement", "clock", "staff"):
        assert command in answer.stdout


def test_a_taken_port_is_named_with_a_way_out(
    taken: int, no_database: None, largesse: Largesse
) -> None:
    answer = largesse("up", "--port", str(taken))
    assert answer.code == ExitCode.ENVIRONMENT
    assert f"Port {taken} on 127.0.0.1, for web" in answer.err
    assert f"--port {taken + 100}" in answer.err


def test_ports_are_held_against_a_second_product(taken: int) -> None:
    free = choices(_free_port())
    with held_ports(free), pytest.raises(Exception, match=f"Port {free.port} "), held_ports(free):
        pytest.fail("two products share a port")
    with held_ports(free):
        pass


def test_every_network_needs_the_address_that_browsers_use() -> None:
    with pytest.raises(Exception, match="LARGESSE_PUBLIC_URL"):
        environment(choices(8000, "0.0.0.0"), {})  # noqa: S104


def test_the_environment_follows_the_command_line(tmp_path: Path) -> None:
    wanted = Choices(tmp_path, "127.0.0.1", 9100, False, False, False)
    environ = environment(wanted, {"LARGESSE_SANDBOX": "1"})
    assert environ["LARGESSE_PUBLIC_URL"] == "http://127.0.0.1:9100"
    assert environ["LARGESSE_SANDBOX"] == "0"
    assert environ["LARGESSE_DATA"] == str(tmp_path)


def _free_port() -> int:
    """A port with two free ones above it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 60_000:
            return port


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ExitCode.ENVIRONMENT),
        (PermissionError(errno.EACCES, "Permission denied", "/books"), ExitCode.ENVIRONMENT),
        (ServerUnreachable("It is away."), ExitCode.ENVIRONMENT),
        (ConfigError("A short secret."), ExitCode.ENVIRONMENT),
        (TransientError("The database gave way."), ExitCode.ENVIRONMENT),
        (DomainError("That cannot be."), ExitCode.REFUSED),
    ],
)
def test_every_expected_error_has_its_exit_code(error: Exception, code: ExitCode) -> None:
    failure = explain(error)
    assert failure is not None
    assert failure.code is code


@pytest.mark.parametrize("error", [ValueError("x"), InvariantViolation("x"), OSError("x")])
def test_a_bug_of_ours_is_not_explained_away(error: Exception) -> None:
    assert explain(error) is None


def test_a_reader_that_has_gone_is_no_bug() -> None:
    command = f"{sys.executable} -m largesse.cli --help | true; echo ${{PIPESTATUS[0]}}"
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in answer.stderr
