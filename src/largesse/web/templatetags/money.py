"""How amounts are written in pages.

Owns the words for money, in the reader's language. Must not compute: what it is given it shows.
Invariant: minor units become decimals by the currency's own exponent, without a float, and all of
them are shown.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, format_decimal
from django import template
from django.utils.translation import get_language

from largesse.money.amounts import Amount
from largesse.money.assets import asset

register = template.Library()

_MINOR_WORDS = {"USD": "¢", "EUR": "cent"}
"""Currencies whose minor unit readers count in; the others are shown in the major unit."""


@register.filter
def money(amount: Amount) -> str:
    """Return an amount of a currency with its sign: $9.99, ¥1,600."""
    return show_minor(amount.minor, amount.asset.code)


def show_minor(minor: int, currency: str) -> str:
    """Return signed minor units as money; a minus is the true sign U+2212."""
    exponent = asset(currency).exponent
    value = Decimal(abs(minor)).scaleb(-exponent)
    # The locale data shows some currencies without their minor units (RSD 9.99 as RSD 10): fine
    # for a price on a shelf, but here parts must add up to their sum.
    pattern = copy(_locale().currency_formats["standard"])
    pattern.frac_prec = (exponent, exponent)
    shown = format_currency(value, currency, pattern, _locale(), currency_digits=False)
    return f"−{shown}" if minor < 0 else shown


def show_unit_price(unit_price: Decimal, currency: str) -> str:
    """Return minor units per coin at five decimals, as readers of the currency count."""
    words = _MINOR_WORDS.get(currency)
    if words:
        return f"{format_decimal(unit_price, format='0.00000', locale=_locale())} {words}"
    exponent = asset(currency).exponent
    pattern = "¤#,##0." + "0" * (5 + exponent)
    return format_currency(
        unit_price.scaleb(-exponent),
        currency,
        format=pattern,
        locale=_locale(),
        currency_digits=False,
        decimal_quantization=False,
    )


def show_count(number: int) -> str:
    """Return a whole number with the reader's thousands separators; a minus is U+2212."""
    shown = format_decimal(abs(number), locale=_locale())
    return f"−{shown}" if number < 0 else shown


@register.filter
def count(number: int) -> str:
    """Return a whole number as readers write it: 1,200."""
    return show_count(number)


@register.filter
def signed(number: int) -> str:
    """Return a change with its sign: +1,200 or −5."""
    return f"+{show_count(number)}" if number > 0 else show_count(number)


def _locale() -> Locale:
    """Return the reader's locale; plain English is the one of the United States."""
    language = get_language() or "en"
    try:
        return Locale.parse(
            {"en": "en_US"}.get(language, language), sep="-" if "-" in language else "_"
        )
    except (UnknownLocaleError, ValueError):
        return Locale("en", "US")
