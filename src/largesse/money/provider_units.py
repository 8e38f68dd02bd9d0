"""How a provider counts money where it departs from ISO 4217.

Owns the published rules of providers and the exact conversions between their numbers and ours. Must
not know a provider's addresses, keys or SDK. Invariant: a conversion is exact or refused, and what
one direction makes the other gives back.

The rules of Stripe are those of https://docs.stripe.com/currencies ("Zero-decimal currencies",
"Three-decimal currencies" and "Special cases"). UGX stands in the list of zero-decimal currencies
and among the special cases of the same page; the special case holds, since it is the narrower one,
its text gives the number to send (500 for 5 UGX), and the API answers other numbers with "UGX has
become effectively zero-decimal and charged amounts must be evenly divisible by 100".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from largesse.money.amounts import Amount, BadAmount, checked_minor
from largesse.money.assets import Asset
from largesse.money.currencies import CURRENCY_EXPONENTS
from largesse.money.errors import DomainError


class CurrencyNotTaken(DomainError):
    """The provider publishes no way to count this currency, so none is guessed."""

    code = "currency_not_taken"


class NotCountable(BadAmount):
    """The provider takes only multiples of a step; `below` and `above` are the nearest (minor)."""

    code = "amount_not_countable"


@dataclass(frozen=True, slots=True)
class Counting:
    """How one currency is counted: decimal places, and the steps of its charges and payouts.

    Steps are in the provider's unit: a number that is sent must be a multiple.
    """

    places: int
    charge_step: int = 1
    payout_step: int = 1


@dataclass(frozen=True)
class ProviderUnits:
    """One provider's numbers. All methods raise CurrencyNotTaken for a currency without a rule."""

    countings: Mapping[str, Counting]

    def to_charge(self, amount: Amount) -> int:
        """Return the number that charges exactly this amount; raises NotCountable otherwise."""
        return self._number(amount, self._counting(amount.asset).charge_step)

    def to_payout(self, amount: Amount) -> int:
        """Return the number that pays out exactly this amount; raises NotCountable otherwise."""
        return self._number(amount, self._counting(amount.asset).payout_step)

    def payable(self, amount: Amount) -> Amount:
        """Return the largest part of an amount that can be paid out; the rest waits."""
        step = self._minor_step(amount.asset, self._counting(amount.asset).payout_step)
        return Amount(amount.minor - amount.minor % step, amount.asset)

    def amount(self, number: int, unit: Asset) -> Amount:
        """Return what a provider's number means in our minor units.

        Raises BadAmount for a number that is none, or that no whole minor unit equals: such an
        answer is not understood, and its outcome unknown.
        """
        checked_minor(number, what="provider's number")
        shift = unit.exponent - self._counting(unit).places
        minor, rest = (number * _ten(shift), 0) if shift >= 0 else divmod(number, _ten(-shift))
        if rest:
            raise BadAmount(f"{number} is no whole number of {unit}.", value=str(number))
        return Amount(minor, unit)

    def _counting(self, unit: Asset) -> Counting:
        found = self.countings.get(unit.code)
        if found is None:
            raise CurrencyNotTaken(
                f"This provider does not say how it counts {unit}. Use another currency.",
                asset=unit.code,
            )
        return found

    def _minor_step(self, unit: Asset, step: int) -> int:
        """Return the step of a provider's number in our minor units, at least one."""
        shift = unit.exponent - self._counting(unit).places
        return step * _ten(shift) if shift >= 0 else max(step // _ten(-shift), 1)

    def _number(self, amount: Amount, step: int) -> int:
        unit = amount.asset
        minor_step = self._minor_step(unit, step)
        below = amount.minor - amount.minor % minor_step
        if below != amount.minor:
            raise NotCountable(
                f"The provider counts {unit} in steps of {minor_step} minor units; "
                f"{amount.minor} lies between {below} and {below + minor_step}.",
                below=below,
                above=below + minor_step,
            )
        shift = self._counting(unit).places - unit.exponent
        number = amount.minor * _ten(shift) if shift >= 0 else amount.minor // _ten(-shift)
        return checked_minor(number, what="provider's number")


def _ten(power: int) -> int:
    return int(10**power)


_STRIPE_WHOLE = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_STRIPE_HUNDREDS = "ISK UGX"
"""Without decimals since lately, but still sent with two, which must be zeros."""
_STRIPE_THREE = "BHD JOD KWD OMR TND"
"""The last digit must be 0, for the sake of the networks."""
_STRIPE_WHOLE_PAYOUTS = "HUF TWD"
_STRIPE_UNPUBLISHED = "BOV CHE CHW CLF COU IQD LYD MXV USN UYI UYW XAD"
"""Funds and units of account, and currencies whose places ISO counts as neither 0 nor 2."""

STRIPE = ProviderUnits(
    {code: Counting(2) for code in CURRENCY_EXPONENTS if code not in _STRIPE_UNPUBLISHED.split()}
    | {code: Counting(0) for code in _STRIPE_WHOLE.split()}
    | {code: Counting(2, 100, 100) for code in _STRIPE_HUNDREDS.split()}
    | {code: Counting(3, 10, 10) for code in _STRIPE_THREE.split()}
    | {code: Counting(2, payout_step=100) for code in _STRIPE_WHOLE_PAYOUTS.split()}
)
