"""Verdicts and tables: a miss says by how much, and only what lies between the markers goes."""

from __future__ import annotations

import pytest

from largesse.simulator.bench.engine import Round
from largesse.simulator.bench.ledgers import Weight
from largesse.simulator.bench.plan import Rounds
from largesse.simulator.bench.report import Figure, Report, Size, row_of, way_of
from largesse.simulator.bench.tables import BEGIN, END, markdown, write_between_markers

MACHINE = {
    "at": "2026-11-22 12:00 UTC",
    "processors": 2,
    "architecture": "x86_64",
    "python": "3.11.7",
    "postgresql": 18,
    "load_average": 0.2,
    "rounds": 3,
    "seconds": 1.5,
}


@pytest.mark.parametrize(
    ("target", "is_floor", "value", "verdict"),
    [
        (150, True, 150, "holds"),
        (150, True, 120, "missed by 20%"),
        (50, False, 50, "holds"),
        (50, False, 55, "missed by 10%"),
        (1.5, True, None, "not measured"),
    ],
)
def test_a_verdict_says_by_how_much(target, is_floor, value, verdict):
    assert Figure("a figure", target, is_floor, value).verdict == verdict


def round_of(rate: int) -> Round:
    return Round(rate, 1.0, [0.01] * rate)


def test_a_row_is_the_medians_of_its_rounds():
    row = row_of("uniform", 32, [round_of(100), round_of(900), round_of(300)])
    assert (row.gifts_per_second, row.p50_ms) == (300, 10.0)


def test_a_ratio_is_of_rounds_that_took_turns():
    rounds = Rounds()
    rates = {"mine": iter([100, 400, 90]), "theirs": iter([50, 100, 45])}
    told: list[int] = []
    turns = [((name, 1), lambda rate=rate: round_of(next(rate))) for name, rate in rates.items()]
    rounds.take_turns(turns, 3, told.append)
    assert rounds.ratio(("mine", 1), rounds, ("theirs", 1)) == 2
    assert sum(told) == 6


def report() -> Report:
    made = Report(MACHINE)
    made.rows.append(row_of("uniform", 256, [round_of(1_000)]))
    made.ways.append(way_of("hordak", "a peer", 1, [round_of(10)]))
    made.ways.append(way_of("hordak", "a peer", 8, [round_of(20)]))
    made.ratios["hordak"] = 160.0
    made.sizes.append(
        Size(5_000_000, 60.0, Weight(700, 500, 5), 0.9, {"long history": 2.2}, {"long history": 2})
    )
    return made


def test_a_peer_counts_with_its_best():
    best = report().best_way("hordak")
    assert best is not None
    assert best.connections == 8
    assert report().best_way("copy_limit") is None


def test_the_document_for_machines():
    document = report().document()
    row = {"case": "uniform", "senders": 256, "gifts_per_second": 1_000}
    assert document["results"] == [row | {"p50_ms": 10.0, "p99_ms": 10.0}]
    assert document["ratios"] == {"copy_limit": None, "hordak": 160.0, "hot_to_uniform": None}
    assert document["bytes_per_gift"] == {"5": 240}
    holds = {one["figure"]: one["holds"] for one in document["figures"]}
    assert holds["times django-hordak"] is True
    assert holds["of durable COPY of the same rows"] is None
    assert holds["time of a history page, of empty"] is True


def test_the_tables_take_the_place_between_the_markers(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{BEGIN}\nof another day\n{END}\nafter\n")
    for _ in range(2):
        write_between_markers(path, markdown(report()))
    text = path.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "of another day" not in text
    assert text.count("| times django-hordak | at least 150 | 160 | holds |") == 1
    assert "busy" not in text


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}\n", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_file_without_markers_is_left_alone(tmp_path, text):
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(ValueError, match="no place for the tables"):
        write_between_markers(path, "tables")
    assert path.read_text() == text


def test_a_busy_machine_is_named():
    busy = Report(MACHINE | {"load_average": 7.5})
    assert "the load average was 7.5" in markdown(busy)
