"""A bank for tests: pays once for a key, and fails as it is told.

Owns transfers in memory. Must not know payouts' tables. Invariant: like a real provider it keeps
one transfer for a key, whatever it answers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Literal
from uuid import UUID

from largesse.money.amounts import Amount
from largesse.money.errors import Declined, OutcomeUnknown, Unavailable
from largesse.payouts.ports import TransferState, TransferStatus

Trouble = Literal["declined", "busy", "lost_before", "lost_after", "crash_after"]


class Crash(Exception):
    """Stands for the end of the process in the middle of a call."""


class Bank:
    """Implements `payouts.ports.Transfers`; `troubles` are the next calls' misfortunes."""

    def __init__(self) -> None:
        self.transfers: dict[UUID, TransferState] = {}
        self.destinations: list[str] = []
        self.sends: list[UUID] = []
        self.troubles: deque[Trouble | None] = deque()
        self.fetch_troubles: deque[Trouble | None] = deque()

    def send(self, *, payout: str, amount: Amount, destination: str, key: UUID) -> TransferState:
        """Keep the first wish of a key; fail before or after it as told."""
        self.sends.append(key)
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble == "declined":
            raise Declined("No.")
        if trouble == "busy":
            raise Unavailable("Later.")
        if trouble == "lost_before":
            raise OutcomeUnknown("No answer.")
        self.destinations.append(destination)
        first = TransferState(f"tr_{len(self.transfers)}", payout, "pending", amount, None)
        state = self.transfers.setdefault(key, first)
        if trouble == "lost_after":
            raise OutcomeUnknown("No answer.")
        if trouble == "crash_after":
            raise Crash
        return state

    def fetch(self, *, key: UUID) -> TransferState | None:
        """Return what is known of a key."""
        trouble = self.fetch_troubles.popleft() if self.fetch_troubles else None
        if trouble == "declined":
            raise Declined("Who are you?")
        if trouble == "busy":
            raise Unavailable("Later.")
        return self.transfers.get(key)

    def conclude(self, key: UUID, status: TransferStatus, reason: str | None = None) -> None:
        """Let a transfer end."""
        self.transfers[key] = replace(self.transfers[key], status=status, reason=reason)
