"""Two-phase journals: pending, then posted, voided or expired.

Owns what a hold is, what it reserves and how one that has ended answers. Must not know where holds
are kept. Invariant: a pending journal moves nothing, but reserves what it will debit of accounts
that have a floor; it ends exactly once, and then for ever the same way.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from largesse.ledger.accounts import AccountRef
from largesse.ledger.errors import BadJournal, Fault, HoldResolved, UnknownHold
from largesse.ledger.journals import Event, Journal
from largesse.ledger.rules import gift_transfers
from largesse.money.assets import Asset
from largesse.money.ids import HolderId, fan_bucket

LONGEST_REASON = 100


class State(Enum):
    """Where a two-phase journal stands."""

    PENDING = "pending"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """A journal that is to be pending until `expires_at`, and the named reason for it.

    Its bounds are checked when it is posted. A hold of a gift's coins is never posted: it is
    voided, and the gift posted in the same transaction, since a gift has a row of its own.
    """

    journal: Journal
    reason: str
    expires_at: datetime

    def __post_init__(self) -> None:
        if self.expires_at.tzinfo is None:
            raise BadJournal("The end of a hold needs a zone.", Fault.BAD_HOLD)
        if self.expires_at <= self.journal.at:
            raise BadJournal("A hold ends after it begins.", Fault.BAD_HOLD)
        if not 0 < len(self.reason) <= LONGEST_REASON:
            raise BadJournal(
                f"A hold needs a reason of 1 to {LONGEST_REASON} characters.", Fault.BAD_HOLD
            )
        if self.journal.linked_to is not None:
            raise BadJournal("A held journal stands alone, without links.", Fault.BAD_HOLD)

    @property
    def reservations(self) -> dict[tuple[AccountRef, Asset], int]:
        """What it reserves of each account with a floor: debits less credits, in minor units."""
        net: dict[tuple[AccountRef, Asset], int] = defaultdict(int)
        for transfer in self.journal.transfers:
            net[transfer.debit, transfer.amount.asset] += transfer.amount.minor
            net[transfer.credit, transfer.amount.asset] -= transfer.amount.minor
        return {
            (side, of): minor
            for (side, of), minor in net.items()
            if minor > 0 and not side.account.below_zero
        }


def held_gift(key: UUID, at: datetime, fan: HolderId, paid: int, bonus: int) -> Journal:
    """What a gift of so many coins would book: to be held, so that nothing else spends them."""
    return Journal(key, Event.GIFT, fan_bucket(fan), at, gift_transfers(fan, paid, bonus))


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as it stands. `replayed` is true when that had been decided before."""

    bucket: int
    id: UUID
    state: State
    replayed: bool


def ended(key: UUID, wish: State, stood: str, *, resolved: bool) -> bool:
    """Return whether a hold, which stands as `stood`, had ended as wished before.

    Raises UnknownHold, and HoldResolved when it has ended another way.
    """
    if stood == "unknown":
        raise UnknownHold(f"Nothing is held under {key}.", id=str(key))
    if stood != wish.value:
        raise HoldResolved(
            f"The hold {key} is {stood} already, so it cannot be {wish.value}.",
            id=str(key),
            state=stood,
        )
    return not resolved
