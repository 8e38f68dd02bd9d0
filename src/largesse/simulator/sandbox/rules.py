"""What the sandbox does with a wish.

Owns the outcomes: what the buttons and the magic destinations mean, and when a notification is sent
again. Must not know storage or HTTP. Invariant: the same wish always has the same outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

CHECKOUT_LIFETIME = timedelta(minutes=30)
LONGEST_DELAY_SECONDS = 600
GIVE_UP_AFTER = 40
"""Attempts to deliver a notification; with the pauses below that is a little over a day."""

DECLINE_REASONS = {
    "insufficient_funds": "Not enough money",
    "card_expired": "Card expired",
    "incorrect_details": "Wrong number, date or security code",
    "authentication_failed": "The bank's check of the payer failed",
    "limit_exceeded": "Above the card's limit",
    "method_not_supported": "Card not accepted here",
    "currency_not_supported": "Currency not possible",
    "bank_unavailable": "Bank could not be reached",
    "suspected_fraud": "The bank suspects fraud",
    "lost_or_stolen": "Card reported lost or stolen",
    "refused_by_bank": "The bank gives no reason",
    "cancelled": "The payer went away",
}


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """How a transfer will end, and after how long."""

    outcome: str
    reason: str | None
    delay: timedelta


def plan_transfer(destination: str) -> TransferPlan:
    """Return how a transfer to this destination ends.

    `...RETURN` comes back because the account is closed, `...SLOW` stays pending for two minutes,
    everything else settles in three seconds.
    """
    mark = destination.strip().upper()
    if mark.endswith("RETURN"):
        return TransferPlan("returned", "account closed", timedelta(seconds=3))
    if mark.endswith("SLOW"):
        return TransferPlan("settled", None, timedelta(minutes=2))
    return TransferPlan("settled", None, timedelta(seconds=3))


def next_delivery(attempts: int) -> timedelta:
    """Return the pause after so many vain deliveries: 1 s, doubling, at most one hour."""
    return min(timedelta(seconds=2 ** min(attempts - 1, 12)), timedelta(hours=1))


def confirmation_delay(seconds: str) -> timedelta:
    """Return the delay that the payer chose, 1 to 600 seconds; anything unreadable is 10."""
    chosen = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 5 else 10
    return timedelta(seconds=min(max(chosen, 1), LONGEST_DELAY_SECONDS))
