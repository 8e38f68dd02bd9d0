"""The comparison of packages, on the launch prices whose own claims about value are false."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.catalog.errors import UnknownPackage
from largesse.catalog.rules import (
    Basket,
    Package,
    best_value,
    cheaper_combination,
    cheapest_cover,
    compare,
    region_of_country,
    smallest_cover,
    tax_within,
    unit_price,
)
from largesse.catalog.services import LAUNCH_PRICES


def launch_packages(region: str) -> list[Package]:
    """The packages of a launch book, with made-up ids."""
    books = json.loads(LAUNCH_PRICES.read_text(encoding="utf-8"))["books"]
    rows = next(book["packages"] for book in books if book["region"] == region)
    return [Package(i, row["coins"], row["price_minor"]) for i, row in enumerate(rows, 1)]


def picks(basket: Basket | None) -> dict[int, int]:
    """How many of each size; nothing when there is no basket."""
    return {pick.package.coins: pick.count for pick in basket.picks} if basket else {}


def cost(basket: Basket | None) -> int | None:
    return basket.price_minor if basket else None


def test_x1_the_large_international_package_is_worse_value_than_the_small_one():
    small, large = launch_packages("INTL")
    rows = {row.package.coins: row for row in compare([small, large])}

    assert rows[100].unit_price == Decimal("1.29000")
    assert rows[10_000].unit_price == Decimal("1.29990")
    assert best_value([small, large]) == [small]
    assert [row.is_best for row in rows.values()] == [True, False]
    assert rows[10_000].over_best_percent == Decimal("0.77")
    assert picks(rows[10_000].cheaper) == {100: 100}
    assert cost(rows[10_000].cheaper) == large.price_minor - 99


def test_x2_the_1200_package_is_best_and_five_of_it_beat_the_6000_package():
    packages = launch_packages("US")
    rows = {row.package.coins: row for row in compare(packages)}

    assert {coins: str(row.unit_price) for coins, row in rows.items()} == {
        500: "0.99800",
        1200: "0.83250",
        3000: "0.83300",
        6000: "0.83317",
    }
    assert [package.coins for package in best_value(packages)] == [1200]
    combination = rows[6000].cheaper
    assert picks(combination) == {1200: 5}
    assert cost(combination) == 4995 == packages[-1].price_minor - 4
    assert [coins for coins, row in rows.items() if row.cheaper] == [6000]


def test_packages_of_equal_unit_price_share_the_title():
    tied = [Package(1, 100, 100), Package(2, 300, 300), Package(3, 200, 210)]
    assert best_value(tied) == tied[:2]
    assert [row.is_best for row in compare(tied)] == [True, False, True]
    assert compare([]) == [] == best_value([])


def test_the_smallest_cover_leaves_the_least_over():
    packages = launch_packages("US")
    found = [smallest_cover(packages, need) for need in (1, 500, 501, 3000)]
    assert [package and package.coins for package in found] == [500, 500, 1200, 3000]
    assert smallest_cover(packages, 6001) is None


def test_the_cheapest_cover_may_be_several_packages():
    packages = launch_packages("US")
    assert picks(cheapest_cover(packages, 700)) == {500: 2}
    assert picks(cheapest_cover(packages, 1_300)) == {500: 3}
    assert picks(cheapest_cover(packages, 7_200)) == {1200: 6}
    assert picks(cheapest_cover(packages, 60_000)) == {6000: 10}
    assert cheapest_cover(packages, 60_001) is None
    assert cheapest_cover(packages, 0) is None
    assert cheapest_cover([], 5) is None


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 60)), min_size=1, max_size=3),
    st.integers(1, 40),
    st.integers(1, 4),
)
def test_the_cheapest_cover_agrees_with_trying_everything(sizes, need, max_packs):
    packages = [Package(i, coins, price) for i, (coins, price) in enumerate(sizes)]
    prices = [
        sum(n * p.price_minor for n, p in zip(counts, packages, strict=True))
        for counts in product(range(max_packs + 1), repeat=len(packages))
        if 0 < sum(counts) <= max_packs
        and sum(n * p.coins for n, p in zip(counts, packages, strict=True)) >= need
    ]
    found = cheapest_cover(packages, need, max_packs)
    assert (found.price_minor if found else None) == min(prices, default=None)
    if found:
        assert found.packs <= max_packs
        assert found.coins >= need


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 9999)), min_size=1, max_size=4))
def test_a_cheaper_combination_always_saves_money_and_never_coins(sizes):
    packages = [Package(i, 10 * coins, price) for i, (coins, price) in enumerate(sizes)]
    for package in packages:
        basket = cheaper_combination(package, packages)
        if basket:
            assert basket.price_minor < package.price_minor
            assert basket.coins >= package.coins
            assert package not in [pick.package for pick in basket.picks]


@given(st.integers(0, 10**12), st.integers(1, 10**7))
def test_the_unit_price_is_exact_to_five_decimals(price, coins):
    shown = unit_price(price, coins)
    assert shown.as_tuple().exponent == -5
    assert abs(Fraction(shown) - Fraction(price, coins)) <= Fraction(1, 200_000)


@pytest.mark.parametrize(("price", "coins"), [(1, 0), (-1, 5)])
def test_a_senseless_unit_price_is_refused(price, coins):
    with pytest.raises(UnknownPackage):
        unit_price(price, coins)


@pytest.mark.parametrize(
    ("price", "basis_points", "tax"),
    [(499, 0, 0), (1199, 2100, 208), (780, 1000, 71), (121, 2100, 21), (1, 2100, 0)],
)
def test_the_tax_inside_a_price(price, basis_points, tax):
    assert tax_within(price, basis_points) == tax


@pytest.mark.parametrize(
    ("country", "region"),
    [("us", "US"), ("DE", "EU"), ("JP", "JP"), ("BR", "INTL"), ("", "INTL"), ("GB", "INTL")],
)
def test_regions_of_countries(country, region):
    assert region_of_country(country) == region
