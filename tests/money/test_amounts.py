"""Amounts and exact splits: what is refused, and that nothing is ever made or lost."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.money.amounts import (
    MAX_MINOR,
    Amount,
    BadAmount,
    checked_minor,
    cumulative_part,
    share_with_remainder,
    split,
)
from largesse.money.assets import COIN, DIAMOND, UnknownAsset, asset

TOTALS = st.integers(0, MAX_MINOR)
WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=12).filter(any)


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        1.0,
        0.1,
        float("nan"),
        float("inf"),
        -1,
        -(2**63),
        2**63,
        10**30,
        "1",
        "1_000",
        "\N{FULLWIDTH DIGIT ONE}",
        None,
        Decimal(1),
        Fraction(1),
        b"1",
        1 + 0j,
    ],
    ids=repr,
)
def test_anything_but_a_whole_count_of_minor_units_is_refused(value: object) -> None:
    with pytest.raises(BadAmount) as caught:
        checked_minor(value)
    assert str(value) in caught.value.message or repr(value) in caught.value.message
    with pytest.raises(BadAmount):
        Amount(value, COIN)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, 1, -0, MAX_MINOR])
def test_whole_counts_are_taken_as_they_are(value: int) -> None:
    assert checked_minor(value) is value
    assert Amount(value, COIN).minor == value


def test_only_amounts_of_one_asset_add_up() -> None:
    assert Amount(2, COIN) + Amount(3, COIN) == Amount(5, COIN)
    with pytest.raises(BadAmount):
        Amount(2, COIN) + Amount(3, DIAMOND)
    with pytest.raises(BadAmount):
        Amount(2, asset("USD")) + Amount(3, asset("JPY"))
    with pytest.raises(BadAmount):
        Amount(MAX_MINOR, COIN) + Amount(1, COIN)


def test_amounts_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Amount(1, COIN).minor = 2  # type: ignore[misc]


@pytest.mark.parametrize("code", ["", "usd", "XXX", "HRK", "COINS", "US", "USDT", "BTC", " USD"])
def test_unknown_assets_are_refused_not_guessed(code: str) -> None:
    with pytest.raises(UnknownAsset) as caught:
        asset(code)
    assert caught.value.data == {"asset": code}
    assert not caught.value.retry_helps


def test_our_own_units_are_no_currencies() -> None:
    assert (asset("COIN"), asset("DIAMOND")) == (COIN, DIAMOND)
    assert not COIN.is_currency
    assert not DIAMOND.is_currency
    assert asset("KWD").is_currency
    assert (asset("KWD").exponent, asset("JPY").exponent, asset("USD").exponent) == (3, 0, 2)


@given(TOTALS, WEIGHTS)
def test_parts_of_a_split_sum_to_the_whole_and_are_fair(total: int, weights: list[int]) -> None:
    parts = split(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(total * weight, sum(weights))
        assert abs(part - exact) < 1
        assert part >= 0
        assert weight or part == 0
    for (weight_a, part_a), (weight_b, part_b) in pairwise(
        sorted(zip(weights, parts, strict=True))
    ):
        assert weight_a == weight_b or part_a <= part_b


@given(TOTALS, WEIGHTS)
def test_splits_repeat_and_ties_go_to_the_earlier_part(total: int, weights: list[int]) -> None:
    assert split(total, weights) == split(total, weights)
    even = split(total, [1] * len(weights))
    assert even == sorted(even, reverse=True)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (0, [1, 2], [0, 0]),
        (1, [1, 1], [1, 0]),
        (100, [1, 1, 1], [34, 33, 33]),
        (10, [1, 2, 4], [1, 3, 6]),
        (5, [0, 0, 7], [0, 0, 5]),
        (7, [1], [7]),
        (MAX_MINOR, [1, 1], [2**62, 2**62 - 1]),
    ],
)
def test_splits_worked_by_hand(total: int, weights: list[int], parts: list[int]) -> None:
    assert split(total, weights) == parts


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [-1], [3, -1]])
def test_weights_that_say_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(BadAmount):
        split(10, weights)


@given(TOTALS, st.integers(1, 10**9), st.data())
def test_consecutive_parts_of_a_lot_sum_to_its_price(
    total: int, length: int, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, length), max_size=10))
    edges = sorted({0, length, *cuts})
    parts = [cumulative_part(total, a, b, length) for a, b in pairwise(edges)]
    assert sum(parts) == total
    for (a, b), part in zip(pairwise(edges), parts, strict=True):
        assert abs(part - Fraction(total * (b - a), length)) < 1
        assert part >= 0


@pytest.mark.parametrize(
    ("start", "stop", "length"), [(-1, 1, 2), (2, 1, 2), (0, 3, 2), (0, 0, 0), (0, 0, -1)]
)
def test_ranges_outside_the_lot_are_refused(start: int, stop: int, length: int) -> None:
    with pytest.raises(BadAmount):
        cumulative_part(100, start, stop, length)


def test_an_empty_range_carries_nothing() -> None:
    assert cumulative_part(100, 7, 7, 9) == 0


@given(st.lists(st.integers(0, 10**9), max_size=40), st.integers(0, 10_000))
def test_a_share_carried_on_is_the_floor_of_the_share_of_the_sum(
    stream: list[int], share_bp: int
) -> None:
    whole, remainder = 0, 0
    for units in stream:
        part, remainder = share_with_remainder(units, share_bp, 10_000, remainder)
        assert 0 <= remainder < 10_000
        whole += part
        assert whole * 10_000 + remainder <= sum(stream) * share_bp
    assert (whole, remainder) == divmod(sum(stream) * share_bp, 10_000)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10_000)), max_size=20))
def test_a_share_carried_over_a_change_of_rates_loses_nothing(
    stream: list[tuple[int, int]],
) -> None:
    whole, remainder = 0, 0
    for units, share_bp in stream:
        part, remainder = share_with_remainder(units, share_bp, 10_000, remainder)
        whole += part
    assert whole * 10_000 + remainder == sum(units * bp for units, bp in stream)


def test_a_thousand_single_coins_earn_what_one_gift_of_a_thousand_earns() -> None:
    whole, remainder = 0, 0
    for _ in range(1000):
        part, remainder = share_with_remainder(1, 5000, 10_000, remainder)
        whole += part
    assert (whole, remainder) == share_with_remainder(1000, 5000, 10_000, 0) == (500, 0)


@pytest.mark.parametrize(
    ("units", "numerator", "denominator", "remainder"),
    [(-1, 1, 2, 0), (1, -1, 2, 0), (1, 1, 2, 2), (1, 1, 2, -1), (1, 1, 0, 0), (1, 1, -2, 0)],
)
def test_shares_that_make_no_sense_are_refused(
    units: int, numerator: int, denominator: int, remainder: int
) -> None:
    with pytest.raises(BadAmount):
        share_with_remainder(units, numerator, denominator, remainder)
