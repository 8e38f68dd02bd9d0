"""The sandbox provider as an ASGI application.

Owns its routes and who may ask. Must not know SQL. Invariant: the API answers only to the key, and
a payer can do nothing on a checkout but what its page offers.

Run it with: granian --interface asgi --port 8002 largesse.simulator.sandbox.app:application
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import msgspec
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from largesse.adapters import clock
from largesse.adapters.config import Config
from largesse.adapters.providers.sandbox import Credentials, derive_credentials
from largesse.simulator.sandbox import pages, rules
from largesse.simulator.sandbox.deliveries import Courier
from largesse.simulator.sandbox.records import (
    CheckoutRow,
    Pool,
    Records,
    RefundRow,
    TransferRow,
)
from largesse.simulator.sandbox.wire import (
    MAX_BODY_BYTES,
    CheckoutAnswer,
    CheckoutWish,
    Problem,
    RefundAnswer,
    RefundWish,
    TransferAnswer,
    TransferWish,
    read_key,
    read_wish,
)

_log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_HTML = (b"content-type", b"text/html; charset=utf-8")


class Sandbox:
    """The application. Its pool and courier live as long as the server's lifespan."""

    def __init__(
        self, *, database_url: str, own_url: str, product_url: str, credentials: Credentials
    ) -> None:
        self._database_url = database_url
        self._own_url = own_url
        self._product_url = product_url
        self._credentials = credentials
        self._pool: Pool | None = None
        self._records: Records | None = None
        self._courier: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI 3 says."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            try:
                status, headers, body = await self._answer(scope, receive)
            except Problem as problem:
                status, headers, body = problem.status, [_PROBLEM], problem.body()
            headers = [*headers, (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def start(self) -> None:
        """Open the records, make the tables, and let the courier go."""
        pool: Pool = AsyncConnectionPool(
            self._database_url,
            min_size=1,
            max_size=4,
            open=False,
            kwargs={"autocommit": True, "row_factory": dict_row},
        )
        await pool.open(wait=True, timeout=15)
        self._pool = pool
        self._records = Records(pool, now=clock.now, new_id=_new_id)
        await self._records.create_schema()
        courier = Courier(
            self._records,
            url=f"{self._product_url}/notifications/sandbox",
            signing_secret=self._credentials.signing_secret,
            now=clock.now,
        )
        self._courier = asyncio.create_task(courier.run())

    async def stop(self) -> None:
        """Call the courier back and close the records; what was not sent is sent next time."""
        if self._courier is not None:
            self._courier.cancel()
            await asyncio.gather(self._courier, return_exceptions=True)
        if self._pool is not None:
            await self._pool.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except Exception as error:  # noqa: BLE001 - the server is told, and ends
                    _log.exception("The sandbox cannot start.")
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, list[Any], bytes]:
        method, parts = scope["method"], scope["path"].strip("/").split("/")
        match method, parts:
            case "GET", ["health"]:
                return 200, [_JSON], b'{"status":"ok"}'
            case "GET", ["checkout.css"]:
                return 200, [(b"content-type", b"text/css; charset=utf-8")], pages.STYLE_SHEET
            case "GET", ["checkout", checkout_id]:
                return _page(await self._known(checkout_id))
            case "POST", ["checkout", checkout_id]:
                form = parse_qs((await _body(receive)).decode("utf-8", "replace"))
                return await self._act(checkout_id, {k: v[0] for k, v in form.items()})
            case _, ["api", *rest]:
                self._require_key(scope)
                return 200, [_JSON], msgspec.json.encode(await self._api(scope, rest, receive))
            case _:
                raise Problem(404, "not_found", "Nothing is here.")

    async def _api(self, scope: Scope, parts: list[str], receive: Receive) -> object:
        method = scope["method"]
        match method, parts:
            case "GET", ["checkouts", checkout_id]:
                return self._checkout(await self._known(checkout_id))
            case "GET", ["transfers", text]:
                transfer = await self._memory.transfer(read_key(text))
                if transfer is None:
                    raise Problem(404, "unknown_transfer", "No transfer has this key.")
                return _transfer(transfer)
            case "POST", [kind] if kind in ("checkouts", "refunds", "transfers"):
                key = read_key(_header(scope, b"idempotency-key"))
                return await self._write(kind, await _body(receive), key)
            case _:
                raise Problem(404, "not_found", "Nothing is here.")

    async def _write(self, kind: str, body: bytes, key: UUID) -> object:
        if kind == "checkouts":
            wish = read_wish(body, CheckoutWish)
            return self._checkout(await self._memory.open_checkout(wish, key))
        if kind == "refunds":
            return _refund(await self._memory.refund(read_wish(body, RefundWish), key))
        return _transfer(await self._memory.send_transfer(read_wish(body, TransferWish), key))

    async def _act(self, checkout_id: str, form: Mapping[str, str]) -> tuple[int, list[Any], bytes]:
        """Do what the payer chose, then send the browser back; a second click changes nothing."""
        checkout = await self._known(checkout_id)
        code = form.get("decline_code", "refused_by_bank")
        match form.get("action"):
            case "pay":
                await self._memory.pay(checkout_id)
            case "later":
                delay = rules.confirmation_delay(form.get("delay_seconds", ""))
                await self._memory.pay_later(checkout_id, clock.now() + delay)
            case "decline" if code in rules.DECLINE_REASONS:
                await self._memory.decline(checkout_id, code)
            case _:
                raise Problem(422, "action", "Choose pay, later or decline.")
        return 303, [(b"location", checkout.return_url.encode())], b""

    async def _known(self, checkout_id: str) -> CheckoutRow:
        checkout = await self._memory.checkout(checkout_id)
        if checkout is None:
            raise Problem(404, "unknown_checkout", "There is no such checkout.")
        return checkout

    @property
    def _memory(self) -> Records:
        assert self._records is not None, "the lifespan has begun"
        return self._records

    def _require_key(self, scope: Scope) -> None:
        given = _header(scope, b"authorization") or ""
        wanted = f"Bearer {self._credentials.api_key}"
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise Problem(401, "unauthorized", "Send the API key as a bearer token.")

    def _checkout(self, row: CheckoutRow) -> CheckoutAnswer:
        return CheckoutAnswer(
            id=row.id,
            url=f"{self._own_url}/checkout/{row.id}",
            order=row.reference,
            status=row.status,
            amount_minor=row.amount_minor,
            currency=row.currency,
            charge_id=row.charge_id,
            decline_code=row.decline_code,
        )


def _transfer(row: TransferRow) -> TransferAnswer:
    reason = row.reason if row.status == "returned" else None
    return TransferAnswer(row.id, row.payout, row.status, row.amount_minor, row.currency, reason)


def _refund(row: RefundRow) -> RefundAnswer:
    return RefundAnswer(row.id, row.charge_id, "refunded", row.amount_minor, row.currency)


def _page(checkout: CheckoutRow) -> tuple[int, list[Any], bytes]:
    headers = [
        _HTML,
        (b"content-security-policy", pages.content_policy(checkout.return_url).encode()),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    ]
    return 200, headers, pages.checkout_page(checkout)


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "disconnected", "The request ended early.")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise Problem(413, "too_large", f"A body has at most {MAX_BODY_BYTES} bytes.")
        if not message.get("more_body"):
            return bytes(body)


def _header(scope: Scope, name: bytes) -> str | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for key, value in headers:
        if key.lower() == name:
            return value.decode("latin-1")
    return None


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def from_environment(environ: Mapping[str, str]) -> Sandbox:
    """Return the application as the configuration says; DATABASE_URL must be set."""
    config = Config.from_env(environ)
    return Sandbox(
        database_url=config.database_url or "",
        own_url=config.sandbox_url,
        product_url=config.public_url,
        credentials=derive_credentials(config.secret),
    )


application = from_environment(os.environ)
