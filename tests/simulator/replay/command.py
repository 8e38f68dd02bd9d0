"""The `largesse` command as a process of its own, on a data directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_LIMIT_SECONDS = 600


def environment() -> dict[str, str]:
    """The environment without the test run's database: commands start their own."""
    ours = ("DATABASE_URL", "LARGESSE_DATA", "LARGESSE_SECRET", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if name not in ours}


def start(data: Path, *words: str) -> subprocess.Popen[str]:
    """Start `largesse WORDS --data DATA`."""
    return subprocess.Popen(
        [sys.executable, "-m", "largesse.cli", *words, "--data", str(data)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def largesse(data: Path, *words: str) -> str:
    """Run a command that must succeed; return what it printed on stdout."""
    process = start(data, *words)
    out, err = process.communicate(timeout=_LIMIT_SECONDS)
    assert process.returncode == 0, err
    return out


def report_of(data: Path, file: Path, name: str, *words: str) -> dict[str, Any]:
    """Replay a file and return its report."""
    out = largesse(data, "replay", str(file), "--format", name, "--json", *words)
    report: dict[str, Any] = json.loads(out)
    return report
