"""Fixtures of the command line's tests.

Owns how a command is run in this process, on the tests' own database. Must not know any command.
Invariant: a command sees what a shell would give it, and what it prints and returns is all there is
to assert.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from largesse import cli
from tests.adapters.postgres.ledger_world import database_url


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


Largesse = Callable[..., Answer]


@pytest.fixture
def largesse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Largesse:
    """Return a runner of `largesse` with some arguments."""

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["largesse", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        out, err = capsys.readouterr()
        return Answer(code if isinstance(code, int) else 0, out, err)

    return run


@pytest.fixture
def on_tests_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let commands use the tests' database, and a data directory of their own."""
    monkeypatch.setenv("DATABASE_URL", database_url())
    monkeypatch.setenv("LARGESSE_DATA", str(tmp_path))
