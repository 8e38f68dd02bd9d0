"""Journals: the atomic set of transfers of one event.

Owns the shape of what is posted and the rules of form. Must not know where it is stored. Invariant:
a journal that exists is balanced per asset by construction (each transfer is one debit and one
credit of one amount), touches at most one holder, and stays in one bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from uuid import UUID

from largesse.ledger.accounts import WALLET_ACCOUNTS, Account, AccountRef, Unit
from largesse.ledger.errors import BadJournal
from largesse.ledger.lots import CoinClass, SerialRange
from largesse.money.amounts import Amount, checked_minor
from largesse.money.currencies import CURRENCY_EXPONENTS
from largesse.money.ids import BUCKETS, PLATFORM, HolderId, creator_bucket, fan_bucket

COIN_ACCOUNTS = {CoinClass.PAID: Account.FAN_PAID, CoinClass.BONUS: Account.FAN_BONUS}


class Event(Enum):
    """What can happen to value. Each has one row in docs/money-flow.md."""

    RECHARGE = "recharge"
    BONUS = "bonus"
    PROVIDER_SETTLEMENT = "provider_settlement"
    GIFT = "gift"
    EARNING = "earning"
    MATURITY = "maturity"
    DAILY_CLOSE = "daily_close"
    PAYOUT_REQUESTED = "payout_requested"
    PAYOUT_SETTLED = "payout_settled"
    PAYOUT_RETURNED = "payout_returned"
    REFUND = "refund"
    DEBT_REPAID = "debt_repaid"
    EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One debit and one credit of one positive amount."""

    debit: AccountRef
    credit: AccountRef
    amount: Amount

    def __post_init__(self) -> None:
        if self.amount.minor == 0:
            raise BadJournal("A transfer of nothing is not posted.")
        if self.debit == self.credit:
            raise BadJournal(f"{self.debit} cannot pay itself.")
        for side in (self.debit, self.credit):
            unit = side.account.unit
            fits = (
                self.amount.asset.is_currency
                if unit is Unit.CURRENCY
                else unit.value == self.amount.asset.code
            )
            if not fits:
                raise BadJournal(f"{side} does not hold {self.amount.asset}.")


@dataclass(frozen=True, slots=True)
class NewLot:
    """A lot that the journal issues; its serials are the wallet's next ones."""

    coin_class: CoinClass
    coins: int
    price_minor: int
    tax_minor: int
    currency: str
    channel: str
    reference: str
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if checked_minor(self.coins, what="coins of a lot") == 0:
            raise BadJournal("A lot needs at least one coin.")
        checked_minor(self.price_minor, what="price of a lot")
        if checked_minor(self.tax_minor, what="tax of a lot") > self.price_minor:
            raise BadJournal("The tax of a lot must be a part of its price.")
        if self.price_minor and self.currency not in CURRENCY_EXPONENTS:
            raise BadJournal(f"A lot is paid for in a currency, not in {self.currency!r}.")


@dataclass(frozen=True, slots=True)
class NewVoid:
    """Unspent serials that the journal takes out of circulation."""

    coin_class: CoinClass
    serials: SerialRange

    def __post_init__(self) -> None:
        if not len(self.serials):
            raise BadJournal("A void range needs at least one serial.")


@dataclass(frozen=True, slots=True)
class Journal:
    """One event, ready to post. `id` is its idempotency key: posting it twice posts it once."""

    id: UUID
    event: Event
    bucket: int
    at: datetime
    transfers: tuple[Transfer, ...]
    reference: str = ""
    lots: tuple[NewLot, ...] = ()
    voids: tuple[NewVoid, ...] = ()
    detail: Mapping[str, object] = field(default_factory=dict)
    """Small facts for people (policy version, reason); never personal data."""

    def __post_init__(self) -> None:
        if not 0 <= self.bucket < BUCKETS:
            raise BadJournal(f"There is no bucket {self.bucket}.")
        if self.at.tzinfo is None:
            raise BadJournal("The time of a journal needs a zone.")
        if not self.transfers:
            raise BadJournal("A journal needs at least one transfer.")
        people = self._personal_sides
        if any(side.holder != people[0].holder for side in people):
            raise BadJournal("No journal leads from one holder to another.")
        for side in people:
            is_fan = side.account in WALLET_ACCOUNTS
            home = fan_bucket(side.holder) if is_fan else creator_bucket(side.holder)
            if home != self.bucket:
                raise BadJournal(f"{side} lives in bucket {home}, not in {self.bucket}.")
        if (self.lots or self.voids) and not people:
            raise BadJournal("Lots and void serials belong to a holder.")
        for coin_class, account in COIN_ACCOUNTS.items():
            serials = sum(lot.coins for lot in self.lots if lot.coin_class is coin_class)
            serials -= sum(len(v.serials) for v in self.voids if v.coin_class is coin_class)
            if serials != self.change(account):
                raise BadJournal(f"Serials and transfers of {account.code} do not agree.")

    def change(self, account: Account) -> int:
        """Return credits minus debits of the journal on an account, in minor units."""
        return sum(
            t.amount.minor * ((t.credit.account is account) - (t.debit.account is account))
            for t in self.transfers
        )

    @property
    def _personal_sides(self) -> list[AccountRef]:
        sides = (side for t in self.transfers for side in (t.debit, t.credit))
        return [side for side in sides if side.holder != PLATFORM]

    @property
    def holder(self) -> HolderId:
        """The person whose accounts it touches, or PLATFORM."""
        return next((side.holder for side in self._personal_sides), PLATFORM)
