"""Decisions of the close: what creators are owed, what a provider's settlement costs, which keys.

Owns the arithmetic of accruals and fees. Must not know storage or a clock. Invariant: an accrual is
the difference between a cumulative target and what was accrued before, so rounding never drifts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from largesse.earnings.rules import BASIS_POINTS, SharePolicy, value_minor
from largesse.finance.errors import UnknownProvider
from largesse.money.amounts import Amount
from largesse.money.ids import uuid7


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """What a provider keeps of a settlement: a part of the gross, and minor units per charge."""

    percent_bp: int
    fixed_minor: int


PROVIDER_TERMS = {"sandbox": ProviderTerms(percent_bp=290, fixed_minor=30)}


def provider_fee(provider: str, gross: Amount, charges: int) -> Amount:
    """Return the fee inside a settlement, rounded up to a minor unit, never above the gross.

    Raises UnknownProvider.
    """
    terms = PROVIDER_TERMS.get(provider)
    if terms is None:
        raise UnknownProvider(f"There are no terms for the provider {provider!r}.")
    part = -(-gross.minor * terms.percent_bp // BASIS_POINTS)
    return Amount(min(gross.minor, part + charges * terms.fixed_minor), gross.asset)


def owed_to_creators(
    diamonds: Mapping[int, int], policies: Mapping[int, SharePolicy]
) -> dict[str, int]:
    """Return what all diamonds ever issued are worth, in minor units per currency."""
    owed: dict[str, int] = {}
    for number, count in diamonds.items():
        policy = policies[number]
        owed[policy.currency] = owed.get(policy.currency, 0) + value_minor(count, policy)
    return owed


def day_ends(day: date) -> datetime:
    """Return the first moment after a day, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def close_key(kind: str, day: date, bucket: int, asset: str = "") -> UUID:
    """Return the ledger's id of one posting of a close: the same at every repetition."""
    digest = hashlib.sha256(f"{kind}/{day.isoformat()}/{bucket}/{asset}".encode()).digest()
    return uuid7(int(day_ends(day).timestamp()) * 1000, digest)
