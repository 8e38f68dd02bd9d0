"""Refusals of the ledger.

Owns their codes. Must not know HTTP. Invariant: a refusal means that nothing was posted.
"""

from __future__ import annotations

from enum import Enum

from largesse.money.errors import DomainError


class Fault(Enum):
    """What can be wrong with the form of a journal or a submission, in order of precedence."""

    MALFORMED = "malformed"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_ASSET = "unknown_asset"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    EMPTY_TRANSFER = "empty_transfer"
    SELF_TRANSFER = "self_transfer"
    WRONG_ASSET = "wrong_asset"
    WRONG_BUCKET = "wrong_bucket"
    NO_TRANSFER = "no_transfer"
    TWO_HOLDERS = "two_holders"
    UNBALANCED_SERIALS = "unbalanced_serials"
    BAD_CONSTRAINT = "bad_constraint"
    BAD_HOLD = "bad_hold"
    LINK_TO_ITSELF = "link_to_itself"
    ID_TWICE = "id_twice"
    LINK_TO_NOBODY = "link_to_nobody"
    LINK_CYCLE = "link_cycle"
    CHAIN_TOO_LONG = "chain_too_long"


class BadJournal(DomainError):
    """The journal breaks a rule of form: unbalanced, crosses buckets, or an impossible edge.

    `fault` says which rule; it is in `data` too.
    """

    code = "bad_journal"

    def __init__(self, message: str, fault: Fault = Fault.MALFORMED, **data: object) -> None:
        super().__init__(message, fault=fault.value, **data)
        self.fault = fault


class InsufficientBalance(DomainError):
    """An account that must not go below zero would."""

    code = "insufficient_balance"


class KeyReused(DomainError):
    """The idempotency key was used before with another body; send a new key for a new wish."""

    code = "idempotency_key_reused"


class StaleKey(DomainError):
    """The key's time is too far from now to begin anything, and nothing stands under it."""

    code = "stale_key"


class KeyInUse(DomainError):
    """The first request with this key is not decided yet; the same request may be repeated."""

    code = "idempotency_key_in_use"
    retry_helps = True


class BalanceConstraint(DomainError):
    """A balance after the journal would break a bound that the journal carries.

    `data` names the journal, the account, the bound, its limit and the balance, in minor units.
    """

    code = "balance_constraint"


class Frozen(DomainError):
    """The account that would be debited is frozen; nothing leaves it until it is not."""

    code = "frozen"


class UnknownHold(DomainError):
    """Nothing was ever held under this id."""

    code = "unknown_hold"


class HoldResolved(DomainError):
    """The hold has ended another way: `data` says `state` (posted, voided or expired)."""

    code = "hold_resolved"
