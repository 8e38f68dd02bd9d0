"""The refusals of the people package.

Owns their codes and sentences. Must not know HTTP. Invariant: no message repeats an email address,
so that logs hold no personal data.
"""

from __future__ import annotations

from largesse.money.errors import DomainError


class BadDisplayName(DomainError):
    """The display name is empty, too long or holds characters that deceive the eye."""

    code = "bad_display_name"


class BadHandle(DomainError):
    """The handle does not have the form of a handle, or is kept for the house."""

    code = "bad_handle"


class HandleTaken(DomainError):
    """Another holder has this handle."""

    code = "handle_taken"


class EmailTaken(DomainError):
    """Another login uses this email address."""

    code = "email_taken"


class UnknownHolder(DomainError):
    """No holder has this id."""

    code = "unknown_holder"
