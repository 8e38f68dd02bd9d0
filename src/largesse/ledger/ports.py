"""What the rest of the product asks of a book.

Owns the protocol that services are given. Must not know its implementation (adapters/postgres).
Invariant: `post` runs inside the caller's database transaction, so a state change and its journal
commit together or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from largesse.ledger.accounts import Account
from largesse.ledger.holds import Held
from largesse.ledger.journals import Journal
from largesse.ledger.lots import Lot, Purse, SpendOrder
from largesse.money.errors import DomainError
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

        Raises KeyReused (same id, other content, or an id that is held), InsufficientBalance,
        BalanceConstraint, Frozen and BadAmount; all leave nothing posted. A lost connection raises
        TransientError: retry with the same ids.
        """
        ...

    def post_linked(self, journals: Sequence[Journal]) -> list[Posted | DomainError]:
        """Post chains of linked journals (`ledger.linking`), each together or not at all.

        Returns, in the order given, where each journal stands or the refusal of its chain. A chain
        that is refused leaves nothing, and the others go on. The result is that of posting the
        chains one after the other. Raises TransientError only.
        """
        ...

    def hold(self, journal: Journal, reason: str, expires_at: datetime) -> Held:
        """Make a journal pending: it reserves what it will debit, and moves nothing.

        The same id again, with the same content and reason, answers how the hold stands. Raises
        KeyReused, Frozen, InsufficientBalance and BadJournal; nothing is reserved then.
        """
        ...

    def post_hold(self, bucket: int, key: UUID, at: datetime) -> Posted:
        """Post the pending journal `key` as it was held, and release what it reserves.

        `at` decides whether it had expired. Again: the same answer. Raises UnknownHold,
        HoldResolved (voided or expired), and whatever `post` refuses; it stays pending then, when
        the caller gives up its transaction. A gift is not posted but voided, and its gift given.
        """
        ...

    def void_hold(self, bucket: int, key: UUID, at: datetime) -> Held:
        """Release what the pending journal `key` reserves; it will never be posted.

        Again: the same answer. Raises UnknownHold and HoldResolved (posted, or expired by `at`).
        """
        ...

    def freeze(self, holder: HolderId, *, frozen: bool) -> None:
        """Block or unblock what leaves a holder's accounts: a fan's gifts, a creator's payouts.

        What was posted before is still answered, and corrections (refunds, chargebacks, expiry,
        payouts that come back) still go through.
        """
        ...

    def wallet(self, holder: HolderId, *, lock: bool = False) -> WalletState:
        """Return a fan's coins; `lock` keeps them still until the transaction ends."""
        ...

    def spend_in_order(self, holder: HolderId, order: SpendOrder) -> None:
        """Let a fan's next gift take coins in this order."""
        ...

    def lots(self, holder: HolderId) -> list[Lot]:
        """Return a fan's paid lots in serial order, with what was paid for each."""
        ...

    def balance(self, holder: HolderId, account: Account, *, lock: bool = False) -> int:
        """Return a creator's or the platform's balance in minor units (see `Account`)."""
        ...
