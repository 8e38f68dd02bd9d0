"""Books for replays, and recordings of our own making."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from largesse.adapters.postgres.checks import run_checks
from largesse.earnings.models import SharePolicy
from largesse.people.models import Holder
from largesse.simulator.replay.run import Options, inspect, replay
from tests.adapters.postgres.ledger_world import empty_ledger

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def write(tmp_path: Path):
    """Write lines (objects or raw text) to a file and return its path."""

    def written(*lines: object) -> Path:
        path = tmp_path / "recording"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts) + "\n")
        return path

    return written


@pytest.fixture
def run(transactional_db):
    """Inspect and replay a file as the command does; the books must hold afterwards."""
    empty_ledger()

    def ran(path: Path, name: str, *, share_bp: int = 5000, skip_bad: bool = False):
        inspect(path, name, skip_bad=skip_bad)
        report = replay(path, name, Options(share_bp, 0), NOW, lambda events: None)
        assert run_checks() == []
        return report

    yield ran
    empty_ledger()
    Holder.objects.all().delete()
    SharePolicy.objects.filter(version__startswith="replay-").delete()
