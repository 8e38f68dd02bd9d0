"""The share policy: how coins become diamonds, when they mature, and what a diamond is worth.

Owns the arithmetic between a gift and money, and the waterfall that explains it (R34 to R37). Must
not know who is paid, the ledger, or a clock. Invariant: diamonds of a creator are the floor of the
share of all coins ever received, and money is never paid for diamonds that do not cover it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from largesse.earnings.errors import BadPolicy
from largesse.money.amounts import Amount, share_with_remainder, split
from largesse.money.assets import Asset, asset

BASIS_POINTS = 10_000
MICRO = 1_000_000
"""Micro-units of a currency's major unit; an integer of them is exact below a minor unit."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SharePolicy:
    """What creators receive, from a date on. Printed on every statement that it ruled.

    `number` stands in every gift row. Deductions from the value of a coin come in this order: the
    tax is a part of the gross, the fee a part of what is left. A diamond is worth the net value of
    one coin; `share_bp` (basis points) decides how many diamonds the coins of a gift become.
    """

    number: int
    version: str
    share_bp: int
    hold_days: int
    currency: str
    coin_gross_micro: int
    tax_bp: int
    fee_bp: int

    def __post_init__(self) -> None:
        parts = {"share": self.share_bp, "tax": self.tax_bp, "fee": self.fee_bp}
        for name, basis_points in parts.items():
            if not 0 <= basis_points <= BASIS_POINTS:
                raise BadPolicy(f"The {name} must lie between 0 and {BASIS_POINTS} basis points.")
        if self.number < 1 or not 0 <= self.hold_days <= 365:
            raise BadPolicy("A policy counts from 1 and holds earnings for 0 to 365 days.")
        if not asset(self.currency).is_currency:
            raise BadPolicy("Creators are paid in a currency, not in coins or diamonds.")
        if self.coin_net_micro < 1:
            raise BadPolicy("A coin must keep a value after tax and fee.")

    @property
    def asset(self) -> Asset:
        """The currency in which creators are paid."""
        return asset(self.currency)

    @property
    def coin_tax_micro(self) -> int:
        """Tax inside the reference value of one coin, in micro-units, rounded up."""
        return -(-self.coin_gross_micro * self.tax_bp // BASIS_POINTS)

    @property
    def coin_fee_micro(self) -> int:
        """Payment fee on what the tax leaves of one coin, in micro-units, rounded up."""
        left = self.coin_gross_micro - self.coin_tax_micro
        return -(-left * self.fee_bp // BASIS_POINTS)

    @property
    def coin_net_micro(self) -> int:
        """What one coin leaves after tax and fee, in micro-units: exact, never rounded up."""
        return self.coin_gross_micro - self.coin_tax_micro - self.coin_fee_micro

    @property
    def diamond_micro(self) -> int:
        """What one diamond is worth, in micro-units of the currency's major unit."""
        return self.coin_net_micro

    @property
    def minor_micro(self) -> int:
        """Micro-units in one minor unit of the currency (USD 10,000; JPY 1,000,000)."""
        return MICRO // int(10**self.asset.exponent)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Where the value of some coins goes, in minor units of one currency; the parts sum to gross.

    `diamonds` is what the coins become for a creator who carries no remainder.
    """

    coins: int
    gross: Amount
    tax: Amount
    fee: Amount
    platform: Amount
    creator: Amount
    diamonds: int

    @property
    def net(self) -> Amount:
        """What is left after tax and fee, to be shared."""
        return self.platform + self.creator


def diamonds_for(coins: int, share_bp: int, remainder: int) -> tuple[int, int]:
    """Return (diamonds, new remainder in 1/10,000) for coins received, carrying the remainder on.

    Over any stream of gifts the diamonds are the floor of the share of all coins.
    """
    return share_with_remainder(coins, share_bp, BASIS_POINTS, remainder)


def release_at(earned_at: datetime, hold_days: int) -> datetime:
    """Return when diamonds earned at a time can be cashed out: the hold's end, up to a full hour.

    Whole hours keep the queue of maturing diamonds to one row for a creator and hour.
    """
    end = earned_at.astimezone(UTC) + timedelta(days=hold_days)
    hour = end.replace(minute=0, second=0, microsecond=0)
    return hour if hour == end else hour + _HOUR


def money_for(diamonds: int, policy: SharePolicy) -> tuple[Amount, int]:
    """Return the largest whole amount that diamonds pay for, and how many of them that takes.

    The diamonds used are the smallest number that covers the amount, so whatever is not needed
    stays with the creator and counts towards the next payout.
    """
    minor = value_minor(diamonds, policy)
    used = -(-minor * policy.minor_micro // policy.diamond_micro)
    return Amount(minor, policy.asset), used


def value_minor(diamonds: int, policy: SharePolicy) -> int:
    """Return the worth of diamonds in whole minor units of the policy's currency, rounded down."""
    return diamonds * policy.diamond_micro // policy.minor_micro


def waterfall(coins: int, policy: SharePolicy) -> Waterfall:
    """Return gross to net of some coins at the reference value, to the last minor unit.

    The parts are known exactly in micro-units and rounded together by largest remainders, so they
    always sum to the gross that is shown.
    """
    diamonds, _ = diamonds_for(coins, policy.share_bp, 0)
    creator_micro = diamonds * policy.diamond_micro
    weights = [
        coins * policy.coin_tax_micro,
        coins * policy.coin_fee_micro,
        coins * policy.coin_net_micro - creator_micro,
        creator_micro,
    ]
    gross_minor = coins * policy.coin_gross_micro // policy.minor_micro
    parts = split(gross_minor, weights) if coins else [0, 0, 0, 0]
    tax, fee, platform, creator = (Amount(part, policy.asset) for part in parts)
    gross = Amount(gross_minor, policy.asset)
    return Waterfall(coins, gross, tax, fee, platform, creator, diamonds)
