"""Reads of earnings.

Owns how other packages ask for the share policy. Must not change anything. Invariant: a number that
a gift carries always finds the terms that ruled it.
"""

from __future__ import annotations

from datetime import datetime

from largesse.earnings import rules
from largesse.earnings.errors import UnknownPolicy
from largesse.earnings.models import SharePolicy


def current_policy(now: datetime) -> rules.SharePolicy:
    """Return the terms in force at a time; raises UnknownPolicy before the first one."""
    row = SharePolicy.objects.filter(effective_at__lte=now).first()
    if row is None:
        raise UnknownPolicy("No share policy is in force at this time.", at=now.isoformat())
    return row.terms


def policy_by_number(number: int) -> rules.SharePolicy:
    """Return the terms that a gift row names; raises UnknownPolicy."""
    row = SharePolicy.objects.filter(pk=number).first()
    if row is None:
        raise UnknownPolicy(f"There is no share policy number {number}.", number=number)
    return row.terms


def policies() -> list[rules.SharePolicy]:
    """Return all terms that ever were published, the latest first."""
    return [row.terms for row in SharePolicy.objects.all()]
