"""The chart of accounts.

Owns every account that exists, its asset, its normal side and whether it may fall below zero. Must
not know how balances are stored. Invariant: no coin account is ever on the same journal edge as a
payout account, and no edge leads from one holder to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from largesse.ledger.errors import BadJournal, Fault
from largesse.money.ids import PLATFORM, HolderId


class Unit(Enum):
    """What an account counts: coins, diamonds, or any one currency."""

    COIN = "COIN"
    DIAMOND = "DIAMOND"
    CURRENCY = "currency"


class Account(Enum):
    """Every account of the product: (code, unit, held by a person, may go below zero).

    A balance is credits minus debits, so what the platform owes is positive and what it owns or
    has issued is negative; all balances of a bucket sum to zero per asset.
    """

    FAN_PAID = ("fan_paid", Unit.COIN, True, False)
    FAN_BONUS = ("fan_bonus", Unit.COIN, True, False)
    FAN_DEBT = ("fan_debt", Unit.COIN, True, True)
    CREATOR_PENDING = ("creator_pending", Unit.DIAMOND, True, False)
    CREATOR_AVAILABLE = ("creator_available", Unit.DIAMOND, True, False)
    CREATOR_HELD = ("creator_held", Unit.DIAMOND, True, False)

    ISSUED = ("issued", Unit.COIN, False, True)
    GIFT_CLEARING = ("gift_clearing", Unit.COIN, False, True)
    REDEEMED = ("redeemed", Unit.COIN, False, False)
    REVOKED = ("revoked", Unit.COIN, False, False)
    EXPIRED = ("expired", Unit.COIN, False, False)
    DIAMOND_ISSUED = ("diamond_issued", Unit.DIAMOND, False, True)
    DIAMOND_CASHED = ("diamond_cashed", Unit.DIAMOND, False, False)

    PROVIDER_CLEARING = ("provider_clearing", Unit.CURRENCY, False, True)
    BANK = ("bank", Unit.CURRENCY, False, True)
    PROVIDER_FEES = ("provider_fees", Unit.CURRENCY, False, True)
    DEFERRED_REVENUE = ("deferred_revenue", Unit.CURRENCY, False, True)
    TAX_PAYABLE = ("tax_payable", Unit.CURRENCY, False, True)
    REVENUE = ("revenue", Unit.CURRENCY, False, True)
    CREATOR_COST = ("creator_cost", Unit.CURRENCY, False, True)
    CREATOR_PAYABLE = ("creator_payable", Unit.CURRENCY, False, True)
    PAYOUT_CLEARING = ("payout_clearing", Unit.CURRENCY, False, True)
    PAYOUT_FEES = ("payout_fees", Unit.CURRENCY, False, True)
    LOSS = ("loss", Unit.CURRENCY, False, True)

    def __init__(self, code: str, unit: Unit, personal: bool, below_zero: bool) -> None:
        self.code = code
        self.unit = unit
        self.personal = personal
        self.below_zero = below_zero


ACCOUNTS = {account.code: account for account in Account}

WALLET_ACCOUNTS = frozenset({Account.FAN_PAID, Account.FAN_BONUS, Account.FAN_DEBT})
"""Accounts whose balance lives in the fan's wallet row, not in the account table."""


@dataclass(frozen=True, slots=True)
class AccountRef:
    """One account of one holder (PLATFORM for the bucket's own accounts)."""

    account: Account
    holder: HolderId = PLATFORM

    def __post_init__(self) -> None:
        if self.account.personal != (self.holder != PLATFORM):
            raise BadJournal(
                f"{self.account.code} belongs to "
                f"{'a person' if self.account.personal else 'the platform'}, not to {self.holder}.",
                Fault.UNKNOWN_ACCOUNT,
            )

    def __str__(self) -> str:
        return f"{self.account.code}:{self.holder}" if self.holder else self.account.code
