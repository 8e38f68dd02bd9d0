"""The closed family of expected errors that every package of the product builds on.

Owns the base classes and what each promises about a retry. Must not know HTTP, Django or any
provider. Invariant: every error code says whether a retry with the same key helps.
"""

from __future__ import annotations

from typing import ClassVar


class DomainError(Exception):
    """An expected refusal with a stable code, a sentence for people, and data for machines.

    `code` is part of the public API; `retry_helps` says whether the same command may succeed
    later without a change by the caller.
    """

    code: ClassVar[str] = "refused"
    retry_helps: ClassVar[bool] = False

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class ProviderError(DomainError):
    """A provider refused or could not be reached; see the three subclasses."""

    code = "provider_error"


class Declined(ProviderError):
    """The provider decided against it; the same attempt never succeeds."""

    code = "declined"


class Unavailable(ProviderError):
    """The provider had no effect and said so; the same command may be sent again."""

    code = "provider_unavailable"
    retry_helps = True


class OutcomeUnknown(ProviderError):
    """Nobody knows whether the provider acted: query it, or retry with the same key only."""

    code = "outcome_unknown"
    retry_helps = True


class TransientError(DomainError):
    """The database or network gave way before a decision; retry the command with its key."""

    code = "temporarily_unavailable"
    retry_helps = True


class InvariantViolation(Exception):
    """A bug of ours: a promise of the ledger does not hold. Never caught below the entry point."""
