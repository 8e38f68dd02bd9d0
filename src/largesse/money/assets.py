"""Assets: what an amount counts.

Owns the two units of the live economy and the currencies of ISO 4217 with their minor units.
Must not know prices or exchange rates. Invariant: an asset's exponent never changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from largesse.money.currencies import CURRENCY_EXPONENTS
from largesse.money.errors import DomainError


class UnknownAsset(DomainError):
    """The code names neither a unit of ours nor an active ISO 4217 currency."""

    code = "unknown_asset"


@dataclass(frozen=True, slots=True)
class Asset:
    """A code and the number of decimal places of its minor unit (USD 2, JPY 0, COIN 0)."""

    code: str
    exponent: int

    def __str__(self) -> str:
        return self.code

    @property
    def is_currency(self) -> bool:
        """True for real money, False for coins and diamonds."""
        return self.code in CURRENCY_EXPONENTS


COIN = Asset("COIN", 0)
DIAMOND = Asset("DIAMOND", 0)


def asset(code: str) -> Asset:
    """Return the asset for a code; raises UnknownAsset (a retry never helps)."""
    if code == COIN.code:
        return COIN
    if code == DIAMOND.code:
        return DIAMOND
    exponent = CURRENCY_EXPONENTS.get(code)
    if exponent is None:
        raise UnknownAsset(
            f"{code!r} is not an asset. Use COIN, DIAMOND or an active ISO 4217 code such as USD.",
            asset=code,
        )
    return Asset(code, exponent)
