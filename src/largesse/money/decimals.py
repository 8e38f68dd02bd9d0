"""Amounts as decimal numbers in text, for files, exports and imports.

Owns how a decimal number is written and read. Must not know languages or signs of currencies: what
readers of a page see is `web`'s. Invariant: what is written is read back as the same minor units,
and a text that is not plainly a number of its currency is refused, never rounded.
"""

from __future__ import annotations

import re

from largesse.money.amounts import Amount, BadAmount
from largesse.money.assets import Asset

_PLAIN = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,4}))?", re.ASCII)
"""Digits of ASCII, at most one point between digits: no sign, exponent, separator or space."""


def decimal_text(minor: int, unit: Asset) -> str:
    """Return signed minor units with the places of their asset: -5 USD is `-0.05`, 5 JPY is `5`."""
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).zfill(unit.exponent + 1)
    if not unit.exponent:
        return f"{sign}{digits}"
    return f"{sign}{digits[: -unit.exponent]}.{digits[-unit.exponent :]}"


def parse_decimal(text: str, unit: Asset) -> Amount:
    """Return the amount that a text such as `4.99` names; raises BadAmount (a retry never helps).

    Fewer places than the asset has are fine, more are not, even zeros: who writes 1.000 JPY may
    mean a thousand.
    """
    found = _PLAIN.fullmatch(text)
    whole, places = found.groups(default="") if found else ("", "")
    if not found or len(places) > unit.exponent:
        wanted = f"at most {unit.exponent} decimal places" if unit.exponent else "no decimal places"
        raise BadAmount(
            f"{text[:40]!r} is not an amount of {unit}. Write digits with {wanted}, "
            f"such as {decimal_text(1999, unit)}.",
            value=text[:40],
        )
    return Amount(int(whole + places.ljust(unit.exponent, "0")), unit)
