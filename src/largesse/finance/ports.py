"""What finance asks of the ledger's store beyond the book.

Owns the protocols of the readers behind the daily close and the provider's settlement. Must not
know their implementation (adapters/postgres). Invariant: a reader takes the lane of the bucket that
it reads, so what it returns stays true until the caller's transaction ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from largesse.ledger.accounts import Account


class Deliveries(Protocol):
    """What a bucket delivered and issued."""

    def delivered(self, bucket: int) -> tuple[dict[str, int], int]:
        """Return net money in minor units per currency behind gifts not closed yet, and the
        sequence up to which that counts."""
        ...

    def mark_closed(self, bucket: int, seq: int) -> None:
        """Remember, in the caller's transaction, up to where the bucket is closed."""
        ...

    def diamonds_by_policy(self, bucket: int) -> dict[int, int]:
        """Return all diamonds ever issued in a creators' bucket, by number of the policy."""
        ...

    def platform_balance(self, bucket: int, account: Account, asset: str) -> int:
        """Return a bucket's own account in minor units: credits minus debits."""
        ...


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What a provider still holds of a bucket. Money in minor units per currency.

    `gross` is captured less refunded; `charges` counts recharges after the sequence asked for.
    """

    gross: Mapping[str, int]
    charges: Mapping[str, int]
    up_to_seq: int


class Clearing(Protocol):
    """What providers have captured and not paid out yet."""

    def unsettled(self, bucket: int, after_seq: int) -> Unsettled:
        """Return the bucket's open clearing, and the charges posted after a sequence."""
        ...
