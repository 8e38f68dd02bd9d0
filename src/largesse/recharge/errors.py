"""The refusals of recharges.

Owns their codes and sentences. Must not know HTTP. Invariant: a refusal means that no coin moved.
"""

from __future__ import annotations

from largesse.money.errors import DomainError


class UnknownOrder(DomainError):
    """No order has this id, or it is somebody else's: the two look the same to whoever asks."""

    code = "unknown_order"


class QuoteExpired(DomainError):
    """The price was held for a time that is over; order again at the price of now."""

    code = "quote_expired"


class NotRefundable(DomainError):
    """The order took no money, or gave it back already."""

    code = "not_refundable"
