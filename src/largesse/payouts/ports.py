"""What payouts ask of whoever sends money.

Owns the protocol of transfers. Must not know any provider. Invariant: one payout has one key for
ever, and a provider that is asked twice under a key makes one transfer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from largesse.money.amounts import Amount

TransferStatus = Literal["pending", "settled", "returned"]


@dataclass(frozen=True, slots=True)
class TransferState:
    """A transfer as the provider describes it: `payout` is our public id, as we sent it."""

    id: str
    payout: str
    status: TransferStatus
    amount: Amount
    reason: str | None


class Transfers(Protocol):
    """A provider that pays out. Raises Declined, Unavailable and OutcomeUnknown, nothing else.

    Called outside a database transaction only; implementations raise InvariantViolation in one.
    """

    def send(self, *, payout: str, amount: Amount, destination: str, key: UUID) -> TransferState:
        """Send money once for a key, however often it is called with it."""
        ...

    def fetch(self, *, key: UUID) -> TransferState | None:
        """Return the transfer of a key, or None when the provider never saw the key."""
        ...
