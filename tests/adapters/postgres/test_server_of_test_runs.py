"""The plugin of the test runs: one server each, shared by all workers, gone at the end."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).parents[3]

INNER_TESTS = """
import os
import psycopg
import pytest

@pytest.mark.parametrize("number", range(4))
def test_server_answers(number):
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    with open(os.environ["URLS"], "a") as file:
        file.write(url + "\\n")
"""


def inner_run(tmp_path: Path, *options: str, database_url: str | None = None) -> list[str]:
    """Run pytest on INNER_TESTS, and return the addresses that its tests met."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_inner.py").write_text(INNER_TESTS)
    environ = {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and not name.startswith(("PYTEST_", "DJANGO_"))
    }
    environ |= {"URLS": str(tmp_path / "urls"), "PYTHONPATH": str(ROOT)}
    if database_url:
        environ["DATABASE_URL"] = database_url
    plugins = ["-p", "no:django", "-p", "tests.plugin_postgres"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *options, str(tmp_path)],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in run.stdout, run.stdout + run.stderr
    return (tmp_path / "urls").read_text().splitlines()


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_one_server_for_all_and_none_left(tmp_path: Path, options: tuple[str, ...]) -> None:
    addresses = inner_run(tmp_path, *options)
    assert len(addresses) == 4
    assert len(set(addresses)) == 1
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(addresses[0])


def test_given_server_is_used(tmp_path: Path) -> None:
    given = os.environ["DATABASE_URL"]
    assert set(inner_run(tmp_path, database_url=given)) == {given}
