"""Refusals of earnings. Must not know HTTP. Invariant: a refusal means that nothing was changed."""

from __future__ import annotations

from largesse.money.errors import DomainError


class BadPolicy(DomainError):
    """The numbers do not make a share policy."""

    code = "bad_share_policy"


class UnknownPolicy(DomainError):
    """No share policy has this number, or none rules at this time."""

    code = "unknown_share_policy"
