"""The table of currencies, and the published one of ISO 4217 beside it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from largesse.money.currencies import CURRENCY_EXPONENTS

PUBLISHED = Path(__file__).parents[3] / "shared/data/fx/iso4217_table.xml"
PER_EXPONENT = {0: 17, 2: 139, 3: 7, 4: 2}


@pytest.mark.parametrize(
    ("code", "exponent"),
    [
        *(("JPY", 0), ("KRW", 0), ("VND", 0), ("UGX", 0), ("ISK", 0), ("CLP", 0)),
        *(("USD", 2), ("EUR", 2), ("HUF", 2), ("TWD", 2), ("MGA", 2), ("MRU", 2)),
        *(("KWD", 3), ("BHD", 3), ("TND", 3), ("CLF", 4)),
    ],
)
def test_exponents_that_others_got_wrong(code: str, exponent: int) -> None:
    assert CURRENCY_EXPONENTS[code] == exponent


def test_every_code_is_three_capital_letters_once() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCY_EXPONENTS)
    counted = {
        exponent: sum(1 for found in CURRENCY_EXPONENTS.values() if found == exponent)
        for exponent in set(CURRENCY_EXPONENTS.values())
    }
    assert counted == PER_EXPONENT


@pytest.mark.data
def test_table_is_the_published_one() -> None:
    """Metals, funds of the IMF, and testing codes have no minor unit there: they are no money."""
    if not PUBLISHED.exists():
        pytest.skip(f"the published table is not at {PUBLISHED}")
    published = {
        entry.findtext("Ccy", ""): int(minor)
        for entry in ET.parse(PUBLISHED).iter("CcyNtry")  # noqa: S314 - a file of the repository's
        if (minor := entry.findtext("CcyMnrUnts", "")).isdigit()
    }
    assert published == CURRENCY_EXPONENTS
