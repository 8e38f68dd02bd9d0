"""What earnings asks of the ledger's store beyond the book.

Owns the protocol of the queue of maturing diamonds. Must not know its implementation
(adapters/postgres). Invariant: taking a row and posting its maturity is one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from largesse.money.ids import HolderId


class MaturingQueue(Protocol):
    """Diamonds on hold, one row for a creator and a full hour."""

    def due(self, now: datetime, limit: int) -> Sequence[tuple[HolderId, datetime, int]]:
        """Return (creator, release time, diamonds) of rows whose time has come, oldest first."""
        ...

    def take(self, holder: HolderId, release_at: datetime) -> int | None:
        """Remove a row in the caller's transaction and return its diamonds; None when gone."""
        ...
