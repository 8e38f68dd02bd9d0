"""What the rest of the product asks of a book.

Owns the protocol that services are given. Must not know its implementation (adapters/postgres).
Invariant: `post` runs inside the caller's database transaction, so a state change and its journal
commit together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from largesse.ledger.accounts import Account
from largesse.ledger.journals import Journal
from largesse.ledger.lots import Lot, Purse, SpendOrder
from largesse.money.ids import HolderId


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a journal stands in its bucket. `replayed` is true when it stood there before."""

    bucket: int
    seq: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class WalletState:
    """A fan's coins as they stand. Amounts are whole coins; `debt` blocks spending."""

    holder: HolderId
    paid: Purse
    bonus: Purse
    debt: int
    frozen: bool
    order: SpendOrder = SpendOrder.BONUS_FIRST
    """Which class the next gift takes first."""

    @property
    def spendable(self) -> int:
        """Coins that a gift may use now: none while there is debt or a freeze."""
        return 0 if self.debt or self.frozen else self.paid.balance + self.bonus.balance


class Book(Protocol):
    """The ledger as services see it, on the caller's transaction."""

    def post(self, journals: Sequence[Journal]) -> list[Posted]:
        """Post journals in order, each exactly once by its id.

        Raises KeyReused (same id, other content) and InsufficientBalance; both leave nothing
        posted. A lost connection raises TransientError: retry with the same ids.
        """
        ...

    def wallet(self, holder: HolderId, *, lock: bool = False) -> WalletState:
        """Return a fan's coins; `lock` keeps them still until the transaction ends."""
        ...

    def lots(self, holder: HolderId) -> list[Lot]:
        """Return a fan's paid lots in serial order, with what was paid for each."""
        ...

    def balance(self, holder: HolderId, account: Account, *, lock: bool = False) -> int:
        """Return a creator's or the platform's balance in minor units (see `Account`)."""
        ...
