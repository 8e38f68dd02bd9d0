"""Refusals of the ledger.

Owns their codes. Must not know HTTP. Invariant: a refusal means that nothing was posted.
"""

from __future__ import annotations

from largesse.money.errors import DomainError


class BadJournal(DomainError):
    """The journal breaks a rule of form: unbalanced, crosses buckets, or an impossible edge."""

    code = "bad_journal"


class InsufficientBalance(DomainError):
    """An account that must not go below zero would."""

    code = "insufficient_balance"


class KeyReused(DomainError):
    """The idempotency key was used before with another body; send a new key for a new wish."""

    code = "idempotency_key_reused"
