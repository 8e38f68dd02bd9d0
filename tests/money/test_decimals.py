"""Decimal texts of amounts: there and back in every currency, and all that is refused."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from django.utils.translation import override

from largesse.finance import exports
from largesse.ledger.explain import amount_words
from largesse.money.amounts import MAX_MINOR, BadAmount
from largesse.money.assets import COIN, asset
from largesse.money.decimals import decimal_text, parse_decimal
from largesse.simulator.sandbox.pages import show_amount
from largesse.web.templatetags.money import show_minor
from tests.money.iso4217 import MINOR_UNITS

EDGES = (0, 1, 9, 10, 99, 100, 101, 999, 1000, 9999, 10_000, 2**53 + 1, MAX_MINOR - 1, MAX_MINOR)


def amounts(code: str, count: int) -> list[int]:
    """Amounts of all sizes, the same in every run."""
    random = Random(code)
    return [*EDGES, *(random.getrandbits(random.randint(1, 63)) for _ in range(count))]


@pytest.mark.parametrize("code", MINOR_UNITS)
def test_every_amount_is_written_and_read_back_in_full(code: str) -> None:
    unit, places = asset(code), MINOR_UNITS[code]
    for minor in amounts(code, 2_500):
        text = decimal_text(minor, unit)
        assert parse_decimal(text, unit).minor == minor
        assert Decimal(text) * 10**places == minor
        assert len(text.partition(".")[2]) == places
        assert decimal_text(-minor, unit) == (f"-{text}" if minor else text)
    assert exports.decimal_text(-12_345, code) == decimal_text(-12_345, unit)


@pytest.mark.parametrize("language", ["en", "de", "ja"])
def test_no_page_and_no_sentence_leaves_minor_units_out(language: str) -> None:
    """Locale data would show RSD 9.99 as RSD 10, and parts would not add up to their sum."""
    with override(language):
        for code in MINOR_UNITS:
            for minor in (1, 999, 1_234_567, MAX_MINOR):
                wanted = str(minor).zfill(MINOR_UNITS[code] + 1)
                for shown in (show_minor(minor, code), show_minor(-minor, code)):
                    assert "".join(c for c in shown if c.isdigit()) == wanted
                assert "".join(c for c in show_amount(minor, code) if c.isdigit()) == wanted
                assert "".join(c for c in amount_words(minor, code) if c.isdigit()) == wanted


@pytest.mark.parametrize(
    ("text", "code", "minor"),
    [
        ("4.99", "USD", 499),
        ("4.9", "USD", 490),
        ("4", "USD", 400),
        ("0.00", "USD", 0),
        ("007.10", "USD", 710),
        ("5", "JPY", 5),
        ("1.5", "KWD", 1500),
        ("1.2345", "UYW", 12345),
        ("92233720368547758.07", "USD", MAX_MINOR),
        (str(MAX_MINOR), "JPY", MAX_MINOR),
    ],
)
def test_plain_numbers_are_read(text: str, code: str, minor: int) -> None:
    assert parse_decimal(text, asset(code)).minor == minor


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, "USD") for text in ("4.990", "4.999", "0.001", "92233720368547758.08")),
        *((text, "JPY") for text in ("5.0", "1.000", "5.", "9223372036854775808")),
        ("1.2345", "KWD"),
    ],
)
def test_more_than_the_currency_or_the_ledger_holds_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadAmount):
        parse_decimal(text, asset(code))


def test_coins_have_no_places() -> None:
    assert parse_decimal("12", COIN).minor == 12
    with pytest.raises(BadAmount, match="no decimal places, such as 1999"):
        parse_decimal("12.5", COIN)
