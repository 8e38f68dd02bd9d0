"""The sandbox's wire: requests, answers and problems.

Owns their shapes and how they are read. Must not know storage. Invariant: an amount is a whole
number of minor units of a known currency; anything else is a problem, never a guess.

The API (all under `/api`, with `Authorization: Bearer`; writes carry `Idempotency-Key`, a UUID):

    POST checkouts  order, amount_minor, currency, description, return_url
    GET  checkouts/<id>
    POST refunds    charge_id, amount_minor, currency
    POST transfers  payout, amount_minor, currency, destination
    GET  transfers/<key>
"""

from __future__ import annotations

from typing import Annotated, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from largesse.money.assets import UnknownAsset, asset

MAX_BODY_BYTES = 16_384

Minor = Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]

T = TypeVar("T")


class CheckoutWish(msgspec.Struct):
    """A checkout to open."""

    order: Text
    amount_minor: Minor
    currency: Text
    description: Text
    return_url: Text


class RefundWish(msgspec.Struct):
    """Money to give back: the whole of a charge."""

    charge_id: Text
    amount_minor: Minor
    currency: Text


class TransferWish(msgspec.Struct):
    """Money to send."""

    payout: Text
    amount_minor: Minor
    currency: Text
    destination: Text


class CheckoutAnswer(msgspec.Struct):
    """How a checkout stands."""

    id: str
    url: str
    order: str
    status: str
    amount_minor: int
    currency: str
    charge_id: str | None
    decline_code: str | None


class RefundAnswer(msgspec.Struct):
    """A refund that was made."""

    id: str
    charge_id: str
    status: str
    amount_minor: int
    currency: str


class TransferAnswer(msgspec.Struct):
    """How a transfer stands; the reason is there once it has come back."""

    id: str
    payout: str
    status: str
    amount_minor: int
    currency: str
    reason: str | None


class Problem(Exception):
    """A refusal in the form of RFC 9457."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail

    def body(self) -> bytes:
        """Return the problem+json document."""
        return msgspec.json.encode(
            {"type": f"urn:sandbox:{self.code}", "status": self.status, "detail": self.detail}
        )


def read_wish(body: bytes, wish: type[T]) -> T:
    """Return the request's body; raises Problem 400 or 422."""
    try:
        read = msgspec.json.decode(body, type=wish)
    except msgspec.ValidationError as error:
        raise Problem(422, "invalid", str(error)) from error
    except msgspec.DecodeError as error:
        raise Problem(400, "malformed", "The body is not JSON.") from error
    _require_currency(getattr(read, "currency", ""))
    if isinstance(read, CheckoutWish):
        _require_address(read.return_url)
    return read


def read_key(text: str | None) -> UUID:
    """Return the idempotency key; raises Problem 400 where there is none."""
    try:
        return UUID(text or "")
    except ValueError as error:
        raise Problem(400, "key_missing", "Send an Idempotency-Key that is a UUID.") from error


def _require_currency(code: str) -> None:
    try:
        known = asset(code)
    except UnknownAsset as error:
        raise Problem(422, "currency", f"{code[:16]} is not a currency.") from error
    if not known.is_currency:
        raise Problem(422, "currency", f"{code} is not a currency.")


def _require_address(url: str) -> None:
    parts = urlsplit(url)
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise Problem(422, "return_url", "The return address must begin with http:// or https://.")
