"""Refusals on the wire: one table from error codes to HTTP (RFC 9457).

Owns the status, title and headers of every refusal. Must not know how a request is read. Invariant:
every code that the live service can raise stands in the table; a test proves it.
"""

from __future__ import annotations

from typing import ClassVar

from largesse.live.wire import Json, encode
from largesse.money.errors import DomainError, TransientError

Header = tuple[bytes, bytes]


class MalformedRequest(DomainError):
    """The body is not the JSON that this address takes."""

    code = "malformed_request"


class BodyTooLarge(DomainError):
    """The body is longer than any request needs to be."""

    code = "body_too_large"


class NotJson(DomainError):
    """The body does not say that it is JSON."""

    code = "unsupported_media_type"


class UnknownAddress(DomainError):
    """Nothing answers here."""

    code = "unknown_address"


class WrongMethod(DomainError):
    """The address answers to other methods."""

    code = "wrong_method"


class ForeignOrigin(DomainError):
    """A page of another origin sent this request."""

    code = "foreign_origin"


class InternalFault(DomainError):
    """A bug of ours; nothing that was not acknowledged is certain, the same key is safe."""

    code = "internal_fault"
    retry_helps: ClassVar[bool] = True


PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed_request": (400, "The request cannot be read"),
    "bad_room_token": (401, "A room token is needed"),
    "insufficient_coins": (402, "Not enough coins"),
    "wallet_blocked": (403, "This wallet cannot spend"),
    "foreign_origin": (403, "This page may not send that"),
    "unknown_room": (404, "There is no such room"),
    "unknown_gift": (404, "There is no such gift"),
    "unknown_address": (404, "Nothing answers here"),
    "wrong_method": (405, "This address answers to other methods"),
    "room_closed": (409, "The room is closed"),
    "idempotency_key_in_use": (409, "The first request with this key is not decided yet"),
    "gift_retired": (410, "This gift is no longer given"),
    "body_too_large": (413, "The request is too long"),
    "unsupported_media_type": (415, "The body must be JSON"),
    "bad_count": (422, "The count cannot be given"),
    "bad_amount": (422, "The amount cannot be booked"),
    "bad_comment": (422, "The text cannot be shown"),
    "bad_id": (422, "The id cannot be read"),
    "self_gift": (422, "Creators do not gift themselves"),
    "idempotency_key_reused": (422, "The key stands for another request"),
    "stale_key": (422, "The key is too old, or too far ahead, to begin anything"),
    "too_fast": (429, "Too fast"),
    "internal_fault": (500, "Something broke on our side"),
    "temporarily_unavailable": (503, "Try again soon"),
}

RETRY_SECONDS = 1


def problem(error: DomainError) -> tuple[int, list[Header], bytes]:
    """Return status, headers and body of a refusal; its data become extension members."""
    status, title = PROBLEMS[error.code]
    body: Json = {
        "type": f"urn:largesse:problem:{error.code}",
        "title": title,
        "status": status,
        "detail": error.message,
        "code": error.code,
        "retry_helps": error.retry_helps,
    }
    body.update({key: value for key, value in error.data.items() if key not in body})
    headers = [(b"content-type", b"application/problem+json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 405:
        headers.append((b"allow", str(error.data["allow"]).encode()))
    if isinstance(error, TransientError):
        body["retry_after_seconds"] = RETRY_SECONDS
    if "retry_after_seconds" in body:
        headers.append((b"retry-after", str(body["retry_after_seconds"]).encode()))
    return status, headers, encode(body)
