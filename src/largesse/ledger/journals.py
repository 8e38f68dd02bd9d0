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
from largesse.ledger.errors import BadJournal, Fault
from largesse.ledger.lots import CoinClass, SerialRange
from largesse.money.amounts import Amount, checked_minor
from largesse.money.assets import Asset
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
            raise BadJournal("A transfer of nothing is not posted.", Fault.EMPTY_TRANSFER)
        if self.debit == self.credit:
            raise BadJournal(f"{self.debit} cannot pay itself.", Fault.SELF_TRANSFER)
        for side in (self.debit, self.credit):
            _check_asset(side, self.amount.asset)


def _check_asset(side: AccountRef, held: Asset) -> None:
    unit = side.account.unit
    if not (held.is_currency if unit is Unit.CURRENCY else unit.value == held.code):
        raise BadJournal(f"{side} does not hold {held}.", Fault.WRONG_ASSET)


def _home(side: AccountRef) -> int:
    """The bucket where a personal account lives."""
    is_fan = side.account in WALLET_ACCOUNTS
    return fan_bucket(side.holder) if is_fan else creator_bucket(side.holder)


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
class Bound:
    """A balance constraint: where an account must stand after the journal, in minor units.

    The account lives in the journal's bucket: its holder's, or the platform's there. Either limit
    may be absent, and a limit may be negative, since some balances are.
    """

    account: AccountRef
    asset: Asset
    at_least: int | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        _check_asset(self.account, self.asset)
        limits = [limit for limit in (self.at_least, self.at_most) if limit is not None]
        if not limits:
            raise BadJournal("A balance constraint needs a limit.", Fault.BAD_CONSTRAINT)
        for limit in limits:
            checked_minor(abs(limit) if type(limit) is int else limit, what="limit of a balance")
        if limits[0] > limits[-1]:
            raise BadJournal("No balance lies between these limits.", Fault.BAD_CONSTRAINT)


@dataclass(frozen=True, slots=True)
class Journal:
    """One event, ready to post. `id` is its idempotency key: posting it twice posts it once.

    `linked_to` names another journal of the same submission: linked journals are posted together
    or not at all (`ledger.linking`). `bounds` are checked on the balances after its transfers.
    """

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
    linked_to: UUID | None = None
    bounds: tuple[Bound, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.bucket < BUCKETS:
            raise BadJournal(f"There is no bucket {self.bucket}.", Fault.WRONG_BUCKET)
        if self.at.tzinfo is None:
            raise BadJournal("The time of a journal needs a zone.")
        if not self.transfers:
            raise BadJournal("A journal needs at least one transfer.", Fault.NO_TRANSFER)
        self._check_places()
        self._check_serials()
        if self.linked_to == self.id:
            raise BadJournal("A journal cannot be linked to itself.", Fault.LINK_TO_ITSELF)

    def _check_places(self) -> None:
        """One holder, whose accounts live in the journal's bucket, constraints included."""
        people = self._personal_sides
        for side in people:
            if side.holder != people[0].holder:
                raise BadJournal("No journal leads from one holder to another.", Fault.TWO_HOLDERS)
            if (home := _home(side)) != self.bucket:
                raise BadJournal(
                    f"{side} lives in bucket {home}, not in {self.bucket}.", Fault.WRONG_BUCKET
                )
        for bound in self.bounds:
            side = bound.account
            if side.holder != PLATFORM and (side.holder, _home(side)) != (self.holder, self.bucket):
                raise BadJournal(f"{side} is not the journal's to ask.", Fault.BAD_CONSTRAINT)

    def _check_serials(self) -> None:
        """Coins move with their serials, but for a gift's: those are the wallet's next ones."""
        if self.event is Event.GIFT:
            if self.lots or self.voids:
                raise BadJournal("A gift names no serials.", Fault.UNBALANCED_SERIALS)
            return
        if (self.lots or self.voids) and self.holder == PLATFORM:
            raise BadJournal("Lots and void serials belong to a holder.", Fault.UNBALANCED_SERIALS)
        for coin_class, account in COIN_ACCOUNTS.items():
            serials = sum(lot.coins for lot in self.lots if lot.coin_class is coin_class)
            serials -= sum(len(v.serials) for v in self.voids if v.coin_class is coin_class)
            if serials != self.change(account):
                raise BadJournal(
                    f"Serials and transfers of {account.code} do not agree.",
                    Fault.UNBALANCED_SERIALS,
                )

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


def booked(journal: Journal) -> tuple[object, ...]:
    """Return what a journal books, for comparison; its time, detail and void serials do not count.

    Two journals of one id must agree in this; a fingerprint is its hash.
    """
    content: tuple[object, ...] = (
        journal.event.value,
        journal.reference,
        [
            (str(t.debit), str(t.credit), t.amount.minor, t.amount.asset.code)
            for t in journal.transfers
        ],
        [
            (
                lot.coin_class.value,
                lot.coins,
                lot.price_minor,
                lot.tax_minor,
                lot.currency,
                lot.channel,
            )
            for lot in journal.lots
        ],
    )
    if journal.linked_to is not None or journal.bounds:
        bounds = [(str(b.account), b.asset.code, b.at_least, b.at_most) for b in journal.bounds]
        content += (str(journal.linked_to), bounds)
    return content
