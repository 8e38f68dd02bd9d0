"""`largesse bench gifts` as a process of its own: every part, every peer, and the short round."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Largesse
from tests.simulator.replay.command import environment

_COMMAND = (sys.executable, "-m", "largesse.cli", "bench", "gifts", "--json")
ROW = {"case", "senders", "gifts_per_second", "p50_ms", "p99_ms"}


def bench(data: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [*_COMMAND, "--data", str(data), *words],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert list(data.iterdir()) == [], "the benchmark left something behind"
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.slow
def test_the_short_round_fills_every_ratio(tmp_path):
    report = bench(tmp_path, "--quick", "--seconds", "0.2", "--rounds", "1")
    assert all(set(row) == ROW for row in report["results"])
    assert {(row["case"], row["senders"]) for row in report["results"]} == {
        *(("uniform", senders) for senders in (1, 32, 256, 2_048)),
        ("hot", 2_048),
    }
    assert set(report["ratios"]) == {"copy_limit", "hordak", "hot_to_uniform"}
    assert all(ratio > 0 for ratio in report["ratios"].values())
    assert report["ratios"]["hordak"] > 5
    assert report["ratios"]["copy_limit"] < 2


@pytest.mark.slow
def test_every_part_and_every_peer(tmp_path):
    choice = ["--senders", "1,64", "--creators", "pareto", "--processes", "2", "--preload", "20000"]
    report = bench(tmp_path, *choice, "--seconds", "0.2", "--rounds", "1")
    cases = {(row["case"], row["senders"]) for row in report["results"]}
    assert {("pareto", 1), ("pareto", 64), ("hot, 2 processes", 2_048)} <= cases
    assert ("uniform, 0.02 M gifts before", 2_048) in cases
    assert {way["name"] for way in report["peers"]} == {
        *("copy_limit", "hordak", "transaction_a_gift", "per_transfer", "single_insert")
    }
    assert set(report["history_page_ms"]) == {"0", "20000"}
    assert 150 < report["bytes_per_gift"]["20070"] < 400
    assert 20 < report["live_process_mb"] < 300
    assert report["notes"] == []
    unmeasured = {one["figure"] for one in report["figures"] if one["value"] is None}
    assert unmeasured == {"times TigerBeetle through its Python client", "p99 with 256 senders, ms"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--senders", "1,many"], "--senders takes numbers"),
        (["--senders", "0"], "--senders takes numbers"),
        (["--preload", "5G"], "--preload takes numbers"),
        (["--processes", "1000"], "--processes takes numbers"),
        (["--parts", "peers,pears"], "--parts takes senders, peers"),
        (["--creators", "cold"], "--creators takes uniform, hot, pareto"),
    ],
)
def test_a_choice_that_does_not_exist_is_wrong_usage(largesse: Largesse, words, said):
    answer = largesse("bench", "gifts", *words)
    assert answer.code == 2
    assert said in answer.err
    assert answer.out == ""
