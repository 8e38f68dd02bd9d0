"""How an order moves, and what a decline means.

Owns the state machine of an order as a table, the comparison of a provider's word with the order,
and the advice on declines. Must not know storage, HTTP or any provider. Invariant: an order never
moves back; coins are credited only for the very order, amount and currency that were captured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, IntEnum, StrEnum
from uuid import UUID

from largesse.money.amounts import Amount
from largesse.money.ids import OrderId, keyed_id, uuid7
from largesse.recharge.ports import CheckoutState, CheckoutStatus, ExpiringLot

PRICE_LOCK = timedelta(minutes=15)
"""How long an order's price holds before its checkout is opened."""


class Status(StrEnum):
    """Where an order stands."""

    QUOTED = "quoted"
    """The price is held; nothing was paid."""
    AUTHORIZED = "authorized"
    """The fan has agreed at the provider, which has not confirmed yet."""
    DECLINED = "declined"
    EXPIRED = "expired"
    CAPTURED = "captured"
    """Money was taken that does not fit the order: parked for a person, no coins were given."""
    CREDITED = "credited"
    """Money was taken and the coins are in the wallet, by one transaction."""
    REFUNDED = "refunded"


class Move(Enum):
    """What the provider's word makes of an order."""

    STAY = "stay"
    AUTHORIZE = "authorize"
    DECLINE = "decline"
    EXPIRE = "expire"
    CREDIT = "credit"
    CANCEL = "cancel"
    """The money went back before any coins were given."""
    TAKE_BACK = "take_back"
    """The money went back after the coins were given: they leave the wallet, or become a debt."""
    PARK = "park"
    """The money does not fit the order: a person decides."""


def _row(
    *, pending: Move, captured: Move, declined: Move, expired: Move, refunded: Move
) -> Mapping[CheckoutStatus, Move]:
    return {
        "open": Move.STAY,
        "pending": pending,
        "captured": captured,
        "declined": declined,
        "expired": expired,
        "refunded": refunded,
    }


_UNPAID = _row(
    pending=Move.STAY,
    captured=Move.CREDIT,
    declined=Move.STAY,
    expired=Move.STAY,
    refunded=Move.CANCEL,
)
_FINAL = _row(
    pending=Move.STAY,
    captured=Move.STAY,
    declined=Move.STAY,
    expired=Move.STAY,
    refunded=Move.STAY,
)

MOVES: Mapping[Status, Mapping[CheckoutStatus, Move]] = {
    Status.QUOTED: {
        **_UNPAID,
        "pending": Move.AUTHORIZE,
        "declined": Move.DECLINE,
        "expired": Move.EXPIRE,
    },
    Status.AUTHORIZED: {**_UNPAID, "declined": Move.DECLINE, "expired": Move.EXPIRE},
    # A capture may follow a decline (another card) or our own expiry: the money was taken.
    Status.DECLINED: _UNPAID,
    Status.EXPIRED: _UNPAID,
    Status.CAPTURED: {**_FINAL, "refunded": Move.CANCEL},
    Status.CREDITED: {**_FINAL, "refunded": Move.TAKE_BACK},
    Status.REFUNDED: _FINAL,
}
"""Where a row says STAY the provider's word is late, repeated or of no consequence."""

OPEN_STATUSES = frozenset({Status.QUOTED, Status.AUTHORIZED})
"""Orders that may still move by themselves; the janitor asks about them."""
PAID_STATUSES = frozenset({Status.CAPTURED, Status.CREDITED})
"""Orders whose money the house holds."""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What an order says about itself, for the comparison with the provider's word."""

    public_id: str
    checkout_id: str
    status: Status
    amount: Amount
    charge_is_taken: bool = False
    """Another order was paid by the charge that the provider names."""
    is_parked: bool = False
    """Something did not fit before: a person decides, and no coins are given."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The move of an order, and for PARK the reason as a sentence for the operator."""

    move: Move
    reason: str = ""


def decide(order: OrderFacts, state: CheckoutState) -> Decision:
    """Return what the provider's state makes of the order.

    In order of precedence: 1. a state of another order or checkout parks; 2. the table decides;
    3. an order that is parked is not credited; 4. a capture that differs in currency or amount,
    that names no charge, or whose charge paid another order, parks.
    """
    if (state.order, state.id) != (order.public_id, order.checkout_id):
        return Decision(Move.PARK, f"The provider answered about {state.order}, {state.id}.")
    move = MOVES[order.status][state.status]
    if move is not Move.CREDIT:
        return Decision(move)
    if order.is_parked:
        return Decision(Move.STAY)
    if state.amount.asset != order.amount.asset:
        return Decision(
            Move.PARK, f"Captured in {state.amount.asset}, ordered in {order.amount.asset}."
        )
    if state.amount.minor != order.amount.minor:
        return Decision(
            Move.PARK,
            f"Captured {state.amount.minor}, ordered {order.amount.minor} minor units.",
        )
    if not state.charge_id:
        return Decision(Move.PARK, "Captured without the number of a charge.")
    if order.charge_is_taken:
        return Decision(Move.PARK, f"Charge {state.charge_id} has paid another order.")
    return Decision(Move.CREDIT)


class Step(IntEnum):
    """What needs a key of its own within one order."""

    CHECKOUT = 1
    CREDIT = 2
    DEBT = 3
    TAKE_BACK = 4


def step_key(order: OrderId, key: UUID, step: Step) -> UUID:
    """Return the key of one step of an order, the same for ever: repeats find what was done."""
    return keyed_id(order, keyed_id(step, key))


def expiry_key(due: ExpiringLot) -> UUID:
    """Return the key under which a lot expires, the same for ever: it expires once."""
    name = f"{due.coin_class.value}:{due.lot.serials.start}".encode()
    at = uuid7(int(due.expires_at.timestamp() * 1000), hashlib.sha256(name).digest())
    return keyed_id(due.holder, at)


def next_check(age: timedelta) -> timedelta:
    """Return how long to wait before the provider is asked again about an order of this age.

    A quarter of the age, at least 30 seconds and at most six hours: a lost notification is made
    good within a minute while the fan waits, and an order is never given up by a timer.
    """
    return min(max(age // 4, timedelta(seconds=30)), timedelta(hours=6))


def next_attempt(attempts: int) -> timedelta:
    """Return how long a notification waits after so many vain attempts: 5 s doubling to 1 h."""
    return min(timedelta(seconds=5 * 2 ** min(attempts, 12)), timedelta(hours=1))


# --- Declines ------------------------------------------------------------------------------------


class Retry(StrEnum):
    """What may be tried after a decline."""

    SAME_METHOD = "same method"
    OTHER_METHOD = "other method"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Advice:
    """What a decline means for the fan: what happened, and the next step."""

    title: str
    next_step: str
    retry: Retry


_BANK_REFUSED = Advice(
    "Your bank did not approve the payment",
    "Banks do not tell us why. Call the number on your card, or pay another way.",
    Retry.OTHER_METHOD,
)

DECLINES: Mapping[str, Advice] = {
    "insufficient_funds": Advice(
        "There was not enough money on the account",
        "Choose a smaller package, pay another way, or try again after adding money.",
        Retry.OTHER_METHOD,
    ),
    "card_expired": Advice(
        "The card has expired",
        "Use a card that is still valid, and bring your saved card up to date.",
        Retry.OTHER_METHOD,
    ),
    "incorrect_details": Advice(
        "Some of the card's details were not right",
        "Type the number, date and security code again; they must match the card.",
        Retry.SAME_METHOD,
    ),
    "authentication_failed": Advice(
        "Your bank could not confirm that it was you",
        "Try again and finish the check of your bank, for example in its app.",
        Retry.SAME_METHOD,
    ),
    "limit_exceeded": Advice(
        "The payment is above a limit of the card",
        "Choose a smaller package, or ask your bank to raise the limit.",
        Retry.OTHER_METHOD,
    ),
    "method_not_supported": Advice(
        "This way of paying does not work here",
        "Choose another way of paying.",
        Retry.OTHER_METHOD,
    ),
    "currency_not_supported": Advice(
        "The card cannot pay in this currency",
        "Pay with another card, or choose prices in another currency.",
        Retry.OTHER_METHOD,
    ),
    "bank_unavailable": Advice(
        "Your bank could not be reached",
        "Try again in a few minutes.",
        Retry.LATER,
    ),
    "cancelled": Advice(
        "You left before paying",
        "Start again whenever you like.",
        Retry.SAME_METHOD,
    ),
    # A bank's suspicion is not repeated to whoever holds the card: the words stay those of a
    # plain refusal.
    "suspected_fraud": _BANK_REFUSED,
    "lost_or_stolen": _BANK_REFUSED,
    "refused_by_bank": _BANK_REFUSED,
}


def advice_on(decline_code: str) -> Advice:
    """Return the advice for a decline; codes that nobody knows get the bank's plain refusal."""
    return DECLINES.get(decline_code, _BANK_REFUSED)
