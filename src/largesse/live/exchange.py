"""One HTTP exchange over ASGI: reading a request within bounds, and answering it.

Owns headers, bodies, bearer tokens and the cross-origin rules. Must not know rooms or gifts.
Invariant: no body beyond the limit is kept in memory, and a page of a foreign origin neither sends
nor reads anything.

Sources: the ASGI specification 3.0, RFC 6750 (bearer tokens), the Fetch standard (CORS).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from largesse.adapters.origins import names_of
from largesse.live.problems import (
    BodyTooLarge,
    ForeignOrigin,
    Header,
    MalformedRequest,
    NotJson,
)
from largesse.live.wire import Json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_LIMIT = 16 * 1024


class ClientGone(Exception):
    """The client hung up before its request was whole."""


class Exchange:
    """One request and its answer."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, allowed_origins: frozenset[str]
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.receive = receive
        self._send = send
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._query = parse_qs(scope["query_string"].decode("ascii", "replace"))
        self._origin = self.header(b"origin")
        self._origin_is_allowed = self._origin in allowed_origins

    def header(self, name: bytes) -> str:
        """Return a header's value, or an empty text."""
        return self._headers.get(name, b"").decode("latin-1")

    def query(self, name: str) -> str | None:
        """Return the first value of a query parameter."""
        values = self._query.get(name)
        return values[0] if values else None

    def require_same_family(self) -> None:
        """Refuse what a page of another origin sends; programs send no origin. ForeignOrigin."""
        if self._origin and not self._origin_is_allowed:
            raise ForeignOrigin("Only pages of this product may send this.")

    def bearer(self) -> str:
        """Return the bearer token, or an empty text."""
        scheme, _, token = self.header(b"authorization").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    async def json(self) -> Json:
        """Read the body as a JSON object.

        Raises NotJson, BodyTooLarge and MalformedRequest; ClientGone when nobody waits any more.
        """
        media_type = self.header(b"content-type").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise NotJson("Send the body with Content-Type: application/json.")
        announced = self.header(b"content-length")
        if announced.isdigit() and int(announced[:12]) > BODY_LIMIT:
            raise _too_large()
        body = await self._body()
        try:
            found = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedRequest(f"The body is not JSON: {error}.") from error
        if not isinstance(found, dict):
            raise MalformedRequest("The body must be a JSON object.")
        return found

    async def _body(self) -> bytes:
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > BODY_LIMIT:
                raise _too_large()
            if not message.get("more_body", False):
                return bytes(body)

    async def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """Send a whole answer."""
        length = (b"content-length", str(len(body)).encode())
        await self.begin(status, [*headers, length])
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, headers: list[Header]) -> None:
        """Send the head of an answer; the cross-origin headers are added here."""
        all_headers = [*headers, *self._origin_headers(), (b"cache-control", b"no-store")]
        all_headers.append((b"x-content-type-options", b"nosniff"))
        await self._send({"type": "http.response.start", "status": status, "headers": all_headers})

    async def continue_with(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Send a part of a streamed body."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": not is_last})

    async def answer_preflight(self, methods: str) -> None:
        """Answer OPTIONS: which methods and headers a page of ours may use."""
        headers: list[Header] = [(b"allow", methods.encode())]
        if self._origin_is_allowed:
            headers += [
                (b"access-control-allow-methods", methods.encode()),
                (b"access-control-allow-headers", b"authorization, content-type"),
                (b"access-control-max-age", b"600"),
            ]
        await self.begin(204, headers)
        await self._send({"type": "http.response.body", "body": b""})

    def _origin_headers(self) -> list[Header]:
        headers: list[Header] = [(b"vary", b"origin")]
        if self._origin_is_allowed:
            headers.append((b"access-control-allow-origin", self._origin.encode("latin-1")))
        return headers


def allowed_origins(public_url: str) -> frozenset[str]:
    """Return the origins whose pages may call: one, and on this machine each of its names."""
    return frozenset(names_of(public_url))


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"At most {BODY_LIMIT} bytes fit.", maximum_bytes=BODY_LIMIT)
