"""Refusals of payouts. Must not know HTTP. Invariant: a refusal means that no diamond was held."""

from __future__ import annotations

from largesse.money.errors import DomainError


class BadDestination(DomainError):
    """The account number is not one that money can be sent to."""

    code = "bad_destination"


class UnknownDestination(DomainError):
    """The holder has no destination of this id."""

    code = "unknown_destination"


class UnknownPayout(DomainError):
    """No payout has this id, or it belongs to somebody else."""

    code = "unknown_payout"


class PayoutRefused(DomainError):
    """The pre-flight found an obstacle; `data["obstacle"]` names it and the text says what next."""

    code = "payout_refused"


class PayoutKeyReused(DomainError):
    """The key stands for another payout request; send a new key for a new wish."""

    code = "idempotency_key_reused"
