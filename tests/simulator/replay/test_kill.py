"""`kill -9` during a replay: nothing that was acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psycopg
import pytest

from largesse.adapters.postgres.errors import ServerError
from largesse.adapters.postgres.server import running_url
from tests.simulator.replay.command import largesse, report_of, start
from tests.simulator.replay.recordings import GIFT

GIFTS = 16_000
FANS = 300
CREATORS = 7


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Gifts of 1 to 5 coins by many fans to a few creators."""
    path = tmp_path / "recording.jsonl"
    with path.open("w") as file:
        for n in range(GIFTS):
            who = {"fan": f"fan-{n * 31 % FANS}", "creator": f"creator-{n % CREATORS}"}
            file.write(json.dumps(GIFT | who | {"id": f"g{n}", "coins": 1 + n % 5}) + "\n")
    return path


def committed_gifts(data: Path) -> int:
    """Gifts that the running database has committed; 0 while it cannot be reached."""
    try:
        url = running_url(data)
        if url is None:
            return 0
        with psycopg.connect(url, connect_timeout=5) as connection:
            [row] = connection.execute("SELECT count(*) FROM ledger_gift").fetchall()
            return int(row[0])
    except (psycopg.Error, ServerError):
        return 0


def run_until(data: Path, recording: Path, more: int):
    """Start the replay and return it once `more` gifts were added to those that stood."""
    process = start(data, "replay", str(recording), "--format", "events", "--json")
    deadline = time.monotonic() + 60
    base = None
    while time.monotonic() < deadline and process.poll() is None:
        found = committed_gifts(data)
        base = found if base is None and found else base
        if found >= (base or 0) + more and found:
            return process, found
        time.sleep(0.01)
    pytest.fail(f"the replay did not get to {more} more gifts: {process.communicate()}")


def postmaster(data: Path) -> int:
    return int((data / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])


@pytest.mark.parametrize("victim", ["the replay", "postgres"])
def test_a_killed_replay_goes_on_where_it_was(tmp_path, recording, victim):
    data = tmp_path / "data"
    acknowledged = 0
    for _ in range(2):
        process, seen = run_until(data, recording, more=1)
        acknowledged = max(acknowledged, seen)
        os.kill(process.pid if victim == "the replay" else postmaster(data), signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        assert process.returncode in ((-signal.SIGKILL,) if victim == "the replay" else (3,)), err
        if victim == "postgres":
            assert "Send the same request again" in err or "database gave way" in err.lower()
    report = report_of(data, recording, "events")
    assert acknowledged > 0
    assert report["replayed"] >= acknowledged
    assert report["gifts"] == GIFTS
    assert (
        report["coins_gifted"] == report["coins_recharged"] == sum(1 + n % 5 for n in range(GIFTS))
    )
    rows = json.loads(largesse(data, "accounts", "--json"))["accounts"]
    redeemed = sum(row["balance"] for row in rows if row["account"] == "redeemed")
    assert redeemed == report["coins_gifted"]
    assert json.loads(largesse(data, "books", "check", "--json"))["ok"] is True
