"""Real captures through the whole command: totals equal a count that knows nothing of our code.

The files stand beside the project, never in it; a fresh clone has none and skips, loudly.
"""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.replay.command import largesse, report_of

LIVE = Path(__file__).parents[4] / "shared" / "data" / "live"
STREAKS = LIVE / "tiktok_gifts.jsonl"
DONATIONS = LIVE / "gdq_donations_2011_2015.csv.gz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not LIVE.is_dir(), reason=f"NO CAPTURES: {LIVE} is not there"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One set of books for the whole module: the second capture joins the first."""
    return tmp_path_factory.mktemp("captures")


def count_streaks() -> tuple[dict[str, int], int]:
    """Coins by room and the number of streaks, by the highest count of each."""
    highest: dict[tuple[str, ...], tuple[int, int]] = {}
    for line in STREAKS.read_text().splitlines():
        m = json.loads(line)
        streak = m["room"], m["user"], str(m["gift_id"]), m["group_id"] or m["msg_id"]
        count = max(m["repeat_count"], highest.get(streak, (0, 0))[0])
        highest[streak] = count, m["diamond_count"]
    rooms: dict[str, int] = defaultdict(int)
    for (room, *_), (count, price) in highest.items():
        rooms[room] += count * price
    return dict(rooms), len(highest)


def count_donations() -> tuple[dict[str, int], int, int]:
    """Cents by creator, the number of fans, and the number of rows."""
    creators: dict[str, int] = defaultdict(int)
    donors, anonymous, rows = set(), 0, 0
    with gzip.open(DONATIONS, "rt", newline="") as file:
        for row in csv.DictReader(file):
            creators[row["creator"] or "house"] += int(row["amount_cents"])
            anonymous += row["donor"] == "anon"
            donors.add(row["donor"])
            rows += 1
    return dict(creators), len(donors - {"anon"}) + anonymous, rows


def test_a_capture_of_streaks_charges_every_streak_once(data):
    rooms, streaks = count_streaks()
    first = report_of(data, STREAKS, "tiktok")
    assert (sum(rooms.values()), streaks) == (343, 66)
    assert first["coins_gifted"] == first["coins_recharged"] == 343
    assert first["streaks"] == 66
    assert first["rejected"] == 0
    assert first["per_creator"] == {
        room: {"coins": coins, "diamonds": coins // 2} for room, coins in rooms.items()
    }
    assert_same_again(first, report_of(data, STREAKS, "tiktok"))


def test_a_capture_of_donations_adds_up_to_the_last_cent(data):
    creators, fans, rows = count_donations()
    first = report_of(data, DONATIONS, "donations")
    assert sum(creators.values()) == 556_249_893
    assert first["coins_gifted"] == first["coins_recharged"] == 556_249_893
    assert (first["gifts"], first["fans"], first["rejected"]) == (rows, fans, 0)
    assert first["per_creator"] == {
        name: {"coins": coins, "diamonds": coins // 2} for name, coins in creators.items()
    }
    books = largesse(data, "accounts", "--json")
    assert_same_again(first, report_of(data, DONATIONS, "donations"))
    assert largesse(data, "accounts", "--json") == books


def assert_same_again(first: dict[str, Any], second: dict[str, Any]) -> None:
    """A second run changes nothing and says so."""
    volatile = {"seconds", "gifts_per_second", "replayed"}
    assert {k: v for k, v in first.items() if k not in volatile} == {
        k: v for k, v in second.items() if k not in volatile
    }
    assert second["replayed"] >= first["gifts"]


def test_the_books_of_both_hold(data):
    assert json.loads(largesse(data, "books", "check", "--json"))["ok"] is True


def test_hledger_accepts_every_entry(data, tmp_path):
    if shutil.which("hledger") is None:
        pytest.skip("NO HLEDGER: install Debian's package hledger")
    journal = tmp_path / "books.journal"
    largesse(data, "books", "export", "--format", "hledger", "-o", str(journal))
    checked = subprocess.run(
        ["hledger", "check", "-f", str(journal)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr[:2000]


def test_beancount_accepts_the_days(data, tmp_path):
    ledger = tmp_path / "books.beancount"
    words = ("--format", "beancount", "--summary", "day", "-o", str(ledger))
    largesse(data, "books", "export", *words)
    checked = subprocess.run(
        [str(Path(sys.executable).with_name("bean-check")), "--no-cache", str(ledger)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr[:2000]
