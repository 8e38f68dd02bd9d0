"""Every format: what a line means, and what is refused with which words."""

from __future__ import annotations

import gzip

import pytest

from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.simulator.replay.events import BadLine, BadLines, Gift, Recharge, WrongFormat
from largesse.simulator.replay.formats import read
from largesse.simulator.replay.run import inspect
from tests.simulator.replay.recordings import AT, GIFT, HEADER, frame


def test_an_event_keeps_its_numbers_and_ignores_what_it_does_not_know(write):
    [(number, gift)] = read(write(GIFT | {"count": 37, "colour": "gold"}), "events")
    assert number == 1
    assert isinstance(gift, Gift)
    assert (gift.coins, gift.count, gift.fan, gift.creator) == (5, 37, "ada", "milo")


@pytest.mark.parametrize(
    ("money", "minor", "code"),
    [
        ({"minor": 499, "currency": "USD"}, 499, "USD"),
        ("4.99 USD", 499, "USD"),
        ("499 JPY", 499, "JPY"),
        ("4.999 BHD", 4999, "BHD"),
    ],
)
def test_money_is_read_exactly(write, money, minor, code):
    line = {"at": AT, "id": "e", "type": "recharge", "fan": "ada", "coins": 500, "money": money}
    [(_, event)] = read(write(line), "events")
    assert isinstance(event, Recharge)
    assert event.money == Amount(minor, asset(code))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"coins": 0}, "between 1"),
        ({"coins": -5}, "between 1"),
        ({"coins": 10**16}, "between 1"),
        ({"coins": 1.5}, "Expected `int"),
        ({"coins": True}, "Expected `int"),
        ({"coins": "5"}, "Expected `int"),
        ({"coins": None}, "missing"),
        ({"count": 0}, "between 1"),
        ({"coins": 10**15, "count": 2}, "coins x count"),
        ({"fan": ""}, "1 to 200"),
        ({"fan": "a\u0000b"}, "printable"),
        ({"fan": 7}, "Expected `str"),
        ({"creator": None}, "1 to 200"),
        ({"at": "2026-11-22T10:00:00"}, "zone"),
        ({"at": "yesterday"}, "RFC3339"),
        ({"type": "tip"}, "Invalid enum"),
        ({"type": "payout", "diamonds": -1}, "between 1"),
        ({"type": "recharge", "money": "4.999 USD"}, "4.99 USD"),
        ({"type": "recharge", "money": "4.99"}, "not an asset"),
        ({"type": "recharge", "money": 4.99}, "Expected"),
        ({"type": "recharge", "money": "1e999 USD"}, "money"),
        ({"type": "recharge", "money": "NaN USD"}, "4.99 USD"),
    ],
)
def test_a_bad_event_says_what_is_wrong(write, change, words):
    lines = list(read(write(GIFT, GIFT | {"id": "e2"} | change), "events"))
    number, bad = lines[1]
    assert number == 2
    assert isinstance(bad, BadLine)
    assert words in str(bad)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("events", [HEADER]),
        ("events", ["[1, 2]"]),
        ("events", [frame()]),
        ("events", ["{broken"]),
        ("tiktok", [HEADER, "a,b"]),
        ("tiktok", [GIFT]),
        ("donations", [GIFT]),
        ("donations", ["event,amount"]),
    ],
)
def test_a_file_of_another_kind_is_refused_whole(write, name, lines):
    with pytest.raises(WrongFormat, match=f"--format {name}"):
        inspect(write(*lines), name, skip_bad=True)


def test_bad_lines_stop_a_replay_unless_they_are_skipped(write):
    path = write(GIFT, "{broken", GIFT | {"id": "e3", "coins": -1})
    with pytest.raises(BadLines, match=r"line 2: .*line 3: .*--skip-bad") as refusal:
        inspect(path, "events", skip_bad=False)
    assert refusal.value.data["lines"] == [2, 3]
    usable, bad = inspect(path, "events", skip_bad=True)
    assert usable == 1
    assert [number for number, _ in bad] == [2, 3]


def test_gzip_is_read_by_its_content(write, tmp_path):
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(write(GIFT).read_bytes()))
    assert len(list(read(packed, "events"))) == 1


def test_every_anonymous_donation_is_a_fan_of_its_own(write):
    rows = ["m,2011-01-05T16:22:47,anon,milo,100,True", "m,2011-01-05T16:22:47,anon,,100,True"]
    (_, first), (_, second) = read(write(HEADER, *rows), "donations")
    assert isinstance(first, Gift)
    assert isinstance(second, Gift)
    assert first.fan != second.fan
    assert (first.creator, second.creator) == ("milo", "house")


@pytest.mark.parametrize("cents", ["1.5", "-1", "0", "", "1_000", "\uff11", "NaN"])
def test_cents_are_plain_digits(write, cents):
    rows = ["m,2011-01-05T16:22:47,a,b,1,True", f"m,2011-01-05T16:22:47,a,b,{cents},True"]
    assert isinstance(list(read(write(HEADER, *rows), "donations"))[1][1], BadLine)
