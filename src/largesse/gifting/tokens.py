"""Room tokens: who may gift and write in one room, signed by the web and read by the live service.

Owns their form and their signature. Must not know sessions, HTTP or the clock. Invariant: nothing
in a token is believed before its signature is; a token opens one room for one person until a time.

Form: base64url(JSON) "." base64url(HMAC-SHA256), without padding. The signature covers the encoded
text, so that there is only one way to read it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from largesse.gifting.errors import BadRoomToken
from largesse.money.ids import HolderId, RoomId

Role = Literal["fan", "creator", "staff"]

LIFETIME = timedelta(hours=6)
"""A page that stays open longer fetches a new token with its session."""

LONGEST = 2048
"""Characters; a longer text is refused before anything is computed over it."""


class RoomToken(msgspec.Struct, frozen=True):
    """What the live service knows of a person: no more than the room may show, plus the role."""

    holder: HolderId
    name: str
    room: RoomId
    role: Role
    expires: int
    """Unix time in seconds."""


def signing_key(secret: str) -> bytes:
    """Return the key for room tokens, separated from every other use of the product's secret."""
    return hmac.digest(secret.encode(), b"largesse room token 1", hashlib.sha256)


def issue(
    key: bytes, *, holder: HolderId, name: str, room: RoomId, role: Role, now: datetime
) -> str:
    """Return a token that lives LIFETIME from `now`."""
    expires = int((now + LIFETIME).timestamp())
    return sign(key, RoomToken(holder, name, room, role, expires))


def sign(key: bytes, token: RoomToken) -> str:
    """Return the text of a token with its signature."""
    body = _encode(msgspec.json.encode(token))
    return f"{body}.{_encode(hmac.digest(key, body.encode(), hashlib.sha256))}"


def verify(key: bytes, text: str, *, room: RoomId, now: datetime) -> RoomToken:
    """Return what the token says, when it is ours, still valid, and for this room.

    Raises BadRoomToken; a new token from the room's page helps, the same one never does.
    """
    body, dot, signature = text.partition(".")
    if not dot or len(text) > LONGEST or not text.isascii():
        raise BadRoomToken("This is not a room token. Take one from the room's page.")
    expected = _encode(hmac.digest(key, body.encode(), hashlib.sha256))
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise BadRoomToken("The room token was altered. Take a new one from the room's page.")
    try:
        token = msgspec.json.decode(_decode(body), type=RoomToken)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise BadRoomToken("The room token is of another version. Load the room again.") from error
    if now >= datetime.fromtimestamp(token.expires, UTC):
        raise BadRoomToken("The room token has expired. Take a new one from the room's page.")
    if token.room != room:
        raise BadRoomToken("The room token is for another room.")
    return token


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
