"""The table of currencies beside an independent one, the published one and the locale data."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from babel.numbers import get_currency_precision, list_currencies

from largesse.money.assets import asset
from largesse.money.currencies import CURRENCY_EXPONENTS
from tests.money.iso4217 import MINOR_UNITS, NUMERIC

PUBLISHED = Path(__file__).parents[3] / "shared/data/fx/iso4217_table.xml"

SHOWN_SHORTER = {
    *("AFN", "ALL", "IQD", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER")
}
"""Of these the locale data (CLDR) leaves minor units out: good for shelves, wrong for books."""
UNNAMED = frozenset({"XAD"})
"""Active since 2025 and not yet in the locale data."""


def test_the_independent_table_says_the_same() -> None:
    assert CURRENCY_EXPONENTS == MINOR_UNITS
    assert len(NUMERIC) == len(set(NUMERIC.values())) == len(MINOR_UNITS) == 165


def test_every_code_is_an_asset_of_its_exponent() -> None:
    for code, places in MINOR_UNITS.items():
        assert len(code) == 3
        assert code.isascii()
        assert code.isupper()
        assert (asset(code).exponent, asset(code).is_currency) == (places, True)


@pytest.mark.parametrize(
    "code",
    [
        *("HRK", "BGN", "ANG", "CUC", "SLL", "ZWL", "STD", "VEF", "BYR", "MRO"),  # withdrawn
        *("XAU", "XDR", "XTS", "XXX", "XBA", "XSU", "XUA"),  # no minor unit, no money
        *("BTC", "GGP", "IMP", "CNH", "usd", "Usd", " USD", "US", "USDT", "\uff35\uff33\uff24", ""),
    ],
)
def test_a_code_that_is_not_active_is_unknown(code: str) -> None:
    assert code not in CURRENCY_EXPONENTS
    assert code not in MINOR_UNITS


def test_the_locale_data_knows_the_same_currencies_and_shortens_some() -> None:
    known = list_currencies()
    assert set(CURRENCY_EXPONENTS) - set(known) == UNNAMED
    others = {
        code
        for code, exponent in CURRENCY_EXPONENTS.items()
        if get_currency_precision(code) != exponent
    }
    assert others == SHOWN_SHORTER
    assert all(get_currency_precision(code) == 0 for code in SHOWN_SHORTER)


@pytest.mark.data
def test_both_tables_are_the_published_one() -> None:
    """Metals, funds of the IMF, and testing codes have no minor unit there: they are no money."""
    if not PUBLISHED.exists():
        pytest.skip(f"the published table is not at {PUBLISHED}")
    published = {
        entry.findtext("Ccy", ""): (entry.findtext("CcyNbr", ""), int(minor))
        for entry in ET.parse(PUBLISHED).iter("CcyNtry")  # noqa: S314 - a file of the repository's
        if (minor := entry.findtext("CcyMnrUnts", "")).isdigit()
    }
    assert published == {code: (NUMERIC[code], MINOR_UNITS[code]) for code in MINOR_UNITS}
    assert {code: places for code, (_, places) in published.items()} == CURRENCY_EXPONENTS
