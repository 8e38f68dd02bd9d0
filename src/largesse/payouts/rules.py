"""Decisions about payouts: what may be requested, and what each answer of a provider means.

Owns the state machine (as a table), terms by currency, the pre-flight and the words that tell a
creator why a payout stands where it stands and what comes next. Must not know storage or a clock.
Invariant: held diamonds leave `held` exactly once; a status never moves back; nobody decides that
a transfer failed because it is old.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from largesse.earnings.rules import SharePolicy, money_for
from largesse.money.amounts import Amount
from largesse.money.ids import PayoutId, id_from_name, keyed_id
from largesse.payouts.errors import PayoutRefused
from largesse.payouts.ports import TransferState

# --- Terms and quote -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """The least gross amount of a payout and what sending it costs, in minor units."""

    minimum_minor: int
    fee_minor: int


TERMS = {
    "EUR": Terms(minimum_minor=1_000, fee_minor=25),
    "GBP": Terms(minimum_minor=1_000, fee_minor=25),
    "JPY": Terms(minimum_minor=1_500, fee_minor=50),
    "USD": Terms(minimum_minor=1_000, fee_minor=25),
}


def terms_for(currency: str) -> Terms:
    """Return the terms of a currency; raises PayoutRefused where nothing is paid out in it."""
    terms = TERMS.get(currency)
    if terms is None:
        raise PayoutRefused(
            f"Nothing can be paid out in {currency} yet. Your diamonds stay where they are.",
            obstacle="unsupported_currency",
        )
    return terms


@dataclass(frozen=True, slots=True)
class Quote:
    """What a payout of some diamonds would be. `used` are held for it, `left` stay available."""

    gross: Amount
    fee: Amount
    used: int
    left: int

    @property
    def net(self) -> Amount:
        """What arrives."""
        return Amount(self.gross.minor - self.fee.minor, self.gross.asset)


def quote(diamonds: int, available: int, policy: SharePolicy) -> Quote:
    """Return what a payout of up to `diamonds` would be; the fee never exceeds the gross."""
    gross, used = money_for(min(diamonds, available), policy)
    fee = min(terms_for(policy.currency).fee_minor, gross.minor)
    return Quote(gross, Amount(fee, gross.asset), used, available - used)


# --- Pre-flight ----------------------------------------------------------------------------------


class Obstacle(StrEnum):
    """Why a payout cannot be requested now, the most fundamental first."""

    FROZEN = "frozen"
    NO_DESTINATION = "no_destination"
    NOTHING_AVAILABLE = "nothing_available"
    BELOW_MINIMUM = "below_minimum"


@dataclass(frozen=True, slots=True)
class Advice:
    """A sentence that says why, and one that says what to do or to expect next."""

    why: str
    next_step: str


OBSTACLES = {
    Obstacle.FROZEN: Advice(
        "Your account is frozen while we look into something.",
        "Your diamonds are safe. Write to support; payouts open again when the freeze is lifted.",
    ),
    Obstacle.NO_DESTINATION: Advice(
        "We do not know yet where to send your money.",
        "Add a bank account below.",
    ),
    Obstacle.NOTHING_AVAILABLE: Advice(
        "No diamonds are available right now.",
        "Pending diamonds become available on the date shown in your studio.",
    ),
    Obstacle.BELOW_MINIMUM: Advice(
        "The amount is below the smallest payout.",
        "Your diamonds stay yours and add up until they reach it.",
    ),
}


def preflight(
    offer: Quote, *, available: int, has_destination: bool, frozen: bool
) -> list[Obstacle]:
    """Return everything that stands in the way of a payout, the most fundamental first."""
    minimum = terms_for(offer.gross.asset.code).minimum_minor
    found = {
        Obstacle.FROZEN: frozen,
        Obstacle.NO_DESTINATION: not has_destination,
        Obstacle.NOTHING_AVAILABLE: available <= 0,
        Obstacle.BELOW_MINIMUM: available > 0 and offer.gross.minor < minimum,
    }
    return [obstacle for obstacle in Obstacle if found[obstacle]]


# --- State machine -------------------------------------------------------------------------------


class Status(StrEnum):
    """Where a payout stands."""

    REQUESTED = "requested"
    UNKNOWN = "unknown"
    SENT = "sent"
    SETTLED = "settled"
    RETURNED = "returned"


OPEN = (Status.REQUESTED, Status.UNKNOWN, Status.SENT)
"""Statuses whose diamonds are held and that the sweep asks about."""


class Answer(StrEnum):
    """What came back from a provider: a transfer's state, or an error of the call."""

    PENDING = "pending"
    SETTLED = "settled"
    RETURNED = "returned"
    DECLINED = "declined"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """What an answer does to the ledger or to the people who watch."""

    NONE = "none"
    CASH = "cash"
    GIVE_BACK = "give_back"
    BOUNCE = "bounce"
    PARK = "park"


# 1. A decision of the provider (settled, returned, declined) ends an open payout, once.
# 2. A call that failed changes no certainty: only a requested payout can become unknown by it.
# 3. A settled payout can still bounce; a late "pending" or an error says nothing about it.
# 4. Money that left after the diamonds were given back is a break that a person must look at.
_TABLE: dict[tuple[Status, Answer], tuple[Status, Effect]] = {
    (Status.REQUESTED, Answer.PENDING): (Status.SENT, Effect.NONE),
    (Status.REQUESTED, Answer.SETTLED): (Status.SETTLED, Effect.CASH),
    (Status.REQUESTED, Answer.RETURNED): (Status.RETURNED, Effect.GIVE_BACK),
    (Status.REQUESTED, Answer.DECLINED): (Status.RETURNED, Effect.GIVE_BACK),
    (Status.REQUESTED, Answer.UNAVAILABLE): (Status.REQUESTED, Effect.NONE),
    (Status.REQUESTED, Answer.UNKNOWN): (Status.UNKNOWN, Effect.NONE),
    (Status.UNKNOWN, Answer.PENDING): (Status.SENT, Effect.NONE),
    (Status.UNKNOWN, Answer.SETTLED): (Status.SETTLED, Effect.CASH),
    (Status.UNKNOWN, Answer.RETURNED): (Status.RETURNED, Effect.GIVE_BACK),
    (Status.UNKNOWN, Answer.DECLINED): (Status.RETURNED, Effect.GIVE_BACK),
    (Status.UNKNOWN, Answer.UNAVAILABLE): (Status.UNKNOWN, Effect.NONE),
    (Status.UNKNOWN, Answer.UNKNOWN): (Status.UNKNOWN, Effect.NONE),
    (Status.SENT, Answer.PENDING): (Status.SENT, Effect.NONE),
    (Status.SENT, Answer.SETTLED): (Status.SETTLED, Effect.CASH),
    (Status.SENT, Answer.RETURNED): (Status.RETURNED, Effect.GIVE_BACK),
    (Status.SENT, Answer.DECLINED): (Status.SENT, Effect.PARK),
    (Status.SENT, Answer.UNAVAILABLE): (Status.SENT, Effect.NONE),
    (Status.SENT, Answer.UNKNOWN): (Status.SENT, Effect.NONE),
    (Status.SETTLED, Answer.PENDING): (Status.SETTLED, Effect.NONE),
    (Status.SETTLED, Answer.SETTLED): (Status.SETTLED, Effect.NONE),
    (Status.SETTLED, Answer.RETURNED): (Status.RETURNED, Effect.BOUNCE),
    (Status.SETTLED, Answer.DECLINED): (Status.SETTLED, Effect.PARK),
    (Status.SETTLED, Answer.UNAVAILABLE): (Status.SETTLED, Effect.NONE),
    (Status.SETTLED, Answer.UNKNOWN): (Status.SETTLED, Effect.NONE),
    (Status.RETURNED, Answer.PENDING): (Status.RETURNED, Effect.NONE),
    (Status.RETURNED, Answer.SETTLED): (Status.RETURNED, Effect.PARK),
    (Status.RETURNED, Answer.RETURNED): (Status.RETURNED, Effect.NONE),
    (Status.RETURNED, Answer.DECLINED): (Status.RETURNED, Effect.NONE),
    (Status.RETURNED, Answer.UNAVAILABLE): (Status.RETURNED, Effect.NONE),
    (Status.RETURNED, Answer.UNKNOWN): (Status.RETURNED, Effect.NONE),
}


def decide(status: Status, answer: Answer) -> tuple[Status, Effect]:
    """Return the status after an answer and what the answer does; total over both."""
    return _TABLE[status, answer]


class Fault(StrEnum):
    """Why a transfer's state is not taken as an answer to a payout."""

    OTHER_ATTEMPT = "other_attempt"
    MISMATCH = "amount_mismatch"


def fault_of(
    state: TransferState, *, payout: str, transfer_id: str | None, net: Amount
) -> Fault | None:
    """Return what is wrong with a provider's answer, or None.

    1. It names another payout, or another transfer than the one known: not ours, ignore it.
    2. Amount or currency differ from what was sent: park it, a person must look.
    """
    if state.payout != payout or transfer_id not in (None, state.id):
        return Fault.OTHER_ATTEMPT
    return None if state.amount == net else Fault.MISMATCH


# --- Keys and times ------------------------------------------------------------------------------


class Step(StrEnum):
    """The journals that one payout can post, each once."""

    REQUESTED = "requested"
    SETTLED = "settled"
    RETURNED = "returned"
    BOUNCED = "bounced"


def journal_id(payout: PayoutId, key: UUID, step: Step) -> UUID:
    """Return the ledger's id of one step of a payout: the same at every repetition."""
    return keyed_id(id_from_name(f"payout/{step}", str(payout)), key)


_WAITS_MINUTES = (1, 1, 2, 5, 15, 60, 6 * 60)


def wait_after(attempts: int) -> timedelta:
    """Return how long the sweep leaves a payout alone after so many questions about it."""
    return timedelta(minutes=_WAITS_MINUTES[min(attempts, len(_WAITS_MINUTES) - 1)])


# --- Destinations --------------------------------------------------------------------------------


def masked(account: str) -> str:
    """Return what may be shown of an account number: an IBAN's country, and the last four."""
    head = account[:2] if is_iban(account) else ""
    return f"{head} •••• {account[-4:]}".strip()


def is_iban(account: str) -> bool:
    """Tell whether an account number has the form and checksum of ISO 13616."""
    if not (15 <= len(account) <= 34 and account.isascii() and account.isalnum()):
        return False
    if not (account[:2].isalpha() and account[2:4].isdigit() and account.isupper()):
        return False
    digits = "".join(str(int(char, 36)) for char in account[4:] + account[:4])
    return int(digits) % 97 == 1


# --- Words ---------------------------------------------------------------------------------------

_STATUS_ADVICE = {
    Status.REQUESTED: Advice(
        "Your diamonds are set aside and the transfer is about to be sent.",
        "Nothing to do. It is sent within a minute or two.",
    ),
    Status.UNKNOWN: Advice(
        "We sent the transfer, but the bank has not confirmed that it got it.",
        "Nothing to do. We keep asking under the same reference, so it can never be paid twice.",
    ),
    Status.SENT: Advice(
        "The bank has accepted the transfer.",
        "Nothing to do. It usually arrives within two bank days.",
    ),
    Status.SETTLED: Advice("The money has arrived.", "Nothing to do."),
    Status.RETURNED: Advice(
        "The bank sent the money back. Your diamonds are available again.",
        "Check your destination, then request the payout again.",
    ),
}

_REASON_ADVICE = {
    "account_closed": Advice(
        "The bank says that the account is closed. Your diamonds are available again.",
        "Add another account, then request the payout again.",
    ),
    "bad_account": Advice(
        "The bank does not know the account number. Your diamonds are available again.",
        "Add the account again, with care for each digit, then request the payout again.",
    ),
    "name_mismatch": Advice(
        "The account is in another name. Your diamonds are available again.",
        "Add an account in your own name, then request the payout again.",
    ),
    "declined": Advice(
        "The bank refused the transfer. Your diamonds are available again.",
        "Check your destination, then request the payout again.",
    ),
    "provider_busy": Advice(
        "The bank's service is not answering right now.",
        "Nothing to do. We try again by ourselves, under the same reference.",
    ),
    Fault.MISMATCH: Advice(
        "The bank's answer does not match what we sent. A person is looking at it.",
        "Nothing to do. Your diamonds stay set aside until it is clear.",
    ),
    "contradiction": Advice(
        "The bank has told us two different things. A person is looking at it.",
        "Nothing to do. We write to you when it is clear.",
    ),
}


def reason_code(text: str) -> str:
    """Return a provider's reason as a code of ours: lower case, words joined by underscores."""
    return "_".join(text.lower().split())[:60]


def explain(status: Status, reason: str) -> Advice:
    """Return why a payout stands where it does and what comes next. Never empty."""
    return _REASON_ADVICE.get(reason) or _STATUS_ADVICE[status]


def first_advice(obstacles: Sequence[Obstacle]) -> Advice | None:
    """Return the words for the most fundamental obstacle, or None when there is none."""
    return OBSTACLES[obstacles[0]] if obstacles else None
