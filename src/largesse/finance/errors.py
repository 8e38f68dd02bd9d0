"""Refusals of finance. Must not know HTTP. Invariant: a refusal means that nothing was posted."""

from __future__ import annotations

from largesse.money.errors import DomainError


class DayNotOver(DomainError):
    """A day is closed after it has ended; a retry helps then."""

    code = "day_not_over"
    retry_helps = True


class UnknownProvider(DomainError):
    """There are no terms for a provider of this name."""

    code = "unknown_provider"


class UnknownFormat(DomainError):
    """The books are not exported in a format of this name."""

    code = "unknown_format"
