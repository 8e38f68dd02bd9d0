"""What recharges ask of a provider that takes money, and of the queue of lots that expire.

Owns the protocol and its values. Must not know any provider. Invariant: a provider's word about a
checkout is a state that was read, never an event that arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from largesse.ledger.lots import CoinClass, Lot
from largesse.money.amounts import Amount
from largesse.money.ids import HolderId

CheckoutStatus = Literal["open", "pending", "captured", "declined", "expired", "refunded"]


@dataclass(frozen=True, slots=True)
class Checkout:
    """A hosted page on which the fan pays."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class CheckoutState:
    """How a checkout stands at the provider. `amount` is what was asked for or captured."""

    id: str
    order: str
    status: CheckoutStatus
    charge_id: str | None
    amount: Amount
    decline_code: str | None


@dataclass(frozen=True, slots=True)
class RefundState:
    """A refund that the provider has accepted."""

    id: str
    charge_id: str
    status: Literal["pending", "refunded"]
    amount: Amount


@dataclass(frozen=True, slots=True)
class ExpiringLot:
    """A lot that expires at a time, with what was paid for it."""

    holder: HolderId
    coin_class: CoinClass
    lot: Lot
    expires_at: datetime


class ExpiringLots(Protocol):
    """The queue of lots that expire."""

    def due(self, now: datetime) -> Iterable[ExpiringLot]:
        """Return the lots whose time has come, each bucket's oldest first."""
        ...

    def take(self, due: ExpiringLot) -> bool:
        """Remove a lot in the caller's transaction; False when it has gone already."""
        ...


class Checkouts(Protocol):
    """Takes money on hosted pages.

    Every call raises only Declined, Unavailable or OutcomeUnknown of `money.errors`, and
    InvariantViolation when a database transaction is open.
    """

    def create(
        self, *, order: str, amount: Amount, description: str, return_url: str, key: UUID
    ) -> Checkout:
        """Open a checkout; the same key gives the same one, however often it is asked for."""
        ...

    def fetch(self, checkout_id: str) -> CheckoutState:
        """Read how a checkout stands now."""
        ...

    def refund(self, *, charge_id: str, amount: Amount, key: UUID) -> RefundState:
        """Give money back; the same key gives it back once."""
        ...
