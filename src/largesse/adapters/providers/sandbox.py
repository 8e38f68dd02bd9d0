"""The client of the sandbox provider, and the check of its notifications.

Owns the sandbox's wire (docs in `largesse.simulator.api`) as seen from the product, for both roles:
taking money (`recharge.ports.Checkouts`) and paying out (`payouts.ports.Transfers`). Must not know
orders' rows or pages. Invariant: what cannot be understood is OutcomeUnknown, never a state; no
call leaves while a database transaction is open.

Source of the notifications' signature: Standard Webhooks 1.0.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from uuid import UUID

import httpx
import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from largesse.adapters.config import MINIMUM_SECRET_BYTES, ConfigError
from largesse.money.amounts import Amount, BadAmount
from largesse.money.assets import UnknownAsset, asset
from largesse.money.errors import (
    Declined,
    DomainError,
    InvariantViolation,
    OutcomeUnknown,
    ProviderError,
    Unavailable,
)
from largesse.payouts.ports import TransferState, TransferStatus
from largesse.recharge.ports import Checkout, CheckoutState, CheckoutStatus, RefundState

PROVIDER = "sandbox"
TIMEOUT_SECONDS = 5
MAX_ID = 80
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix that Standard Webhooks gives to secrets

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the product and its sandbox prove themselves with to each other."""

    api_key: str = field(repr=False)
    signing_secret: str = field(repr=False)


def derive_credentials(secret: str) -> Credentials:
    """Return the sandbox's credentials out of LARGESSE_SECRET, which both processes have."""

    def derived(purpose: bytes) -> bytes:
        return HKDF(SHA256(), 32, salt=b"largesse sandbox", info=purpose).derive(secret.encode())

    signing = base64.b64encode(derived(b"notifications")).decode()
    return Credentials(
        api_key=base64.urlsafe_b64encode(derived(b"api")).decode(),
        signing_secret=_SECRET_PREFIX + signing,
    )


# --- Notifications -------------------------------------------------------------------------------


class BadNotification(DomainError):
    """The call was not signed by the provider, is too old, or cannot be read."""

    code = "bad_notification"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a verified notification is about: look the object up, believe nothing else of it."""

    event_id: str
    kind: str
    object_id: str
    """A checkout's id at the provider; for a transfer the payout's public id."""


class _Subject(msgspec.Struct):
    kind: str
    id: str
    payout: str = ""


class _Event(msgspec.Struct):
    type: str
    data: _Subject


class NotificationCheck:
    """Verifies notifications by their Standard Webhooks signature, in constant time."""

    def __init__(self, signing_secret: str) -> None:
        """Raise ConfigError for an empty or short secret: an empty one would verify forgeries."""
        try:
            encoded = signing_secret.removeprefix(_SECRET_PREFIX)
            raw = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise ConfigError("The signing secret of the provider is not base64.") from error
        if len(raw) < MINIMUM_SECRET_BYTES:
            raise ConfigError(
                f"The signing secret of the provider is shorter than {MINIMUM_SECRET_BYTES} bytes."
            )
        self._webhook = Webhook(raw)

    def verify(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Return what the call is about; raises BadNotification (no retry helps).

        The signature covers the raw body, the id and the time, which may lie five minutes off.
        """
        try:
            self._webhook.verify(body, dict(headers), json_parse=False)
            event = msgspec.json.decode(body, type=_Event)
        except (WebhookVerificationError, msgspec.MsgspecError, ValueError) as error:
            # Malformed signature headers raise ValueError out of the library's parsing.
            raise BadNotification("The notification is not signed by the provider.") from error
        event_id = next(value for name, value in headers.items() if name.lower() == "webhook-id")
        if len(event_id) > MAX_ID or len(event.data.id) > MAX_ID:
            raise BadNotification("The notification names something too long to be an id.")
        subject = event.data
        return Notice(event_id, subject.kind, subject.payout or subject.id)


# --- Client --------------------------------------------------------------------------------------


class _CheckoutWire(msgspec.Struct):
    id: str
    url: str
    order: str
    status: CheckoutStatus
    amount_minor: int
    currency: str
    charge_id: str | None = None
    decline_code: str | None = None


class _RefundWire(msgspec.Struct):
    id: str
    charge_id: str
    status: Literal["pending", "refunded"]
    amount_minor: int
    currency: str


class _TransferWire(msgspec.Struct):
    id: str
    payout: str
    status: TransferStatus
    amount_minor: int
    currency: str
    reason: str | None = None


class SandboxWire:
    """Speaks to the sandbox. One instance serves all threads of a process."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        in_transaction: Callable[[], bool],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._in_transaction = in_transaction
        self._client = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {credentials.api_key}"},
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            transport=transport,
        )

    def write(self, path: str, body: Mapping[str, object], key: UUID, wire: type[T]) -> T:
        """Do something once per key; raises Declined, Unavailable and OutcomeUnknown."""
        self._refuse_in_transaction()
        try:
            response = self._client.post(path, json=body, headers={"Idempotency-Key": str(key)})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unavailable("The payment provider cannot be reached.") from error
        except httpx.TransportError as error:
            raise OutcomeUnknown("The payment provider did not answer.") from error
        if response.status_code in (429, 503):
            raise Unavailable("The payment provider is busy.")
        if 400 <= response.status_code < 500:
            raise _declined(response)
        return _decoded(response, wire)

    def read(self, path: str, wire: type[T]) -> T | None:
        """Ask how something stands; None when nobody knows it. Raises Declined, Unavailable."""
        self._refuse_in_transaction()
        try:
            response = self._client.get(path)
        except httpx.TransportError as error:
            raise Unavailable("The payment provider cannot be reached.") from error
        if response.status_code == 404:
            return None
        if response.status_code >= 500 or response.status_code == 429:
            raise Unavailable("The payment provider is busy.")
        if response.status_code >= 400:
            raise _declined(response)
        return _decoded(response, wire)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _refuse_in_transaction(self) -> None:
        if self._in_transaction():
            raise InvariantViolation("A provider is never called inside a database transaction.")


class SandboxCheckouts:
    """Implements `recharge.ports.Checkouts`."""

    def __init__(self, wire: SandboxWire) -> None:
        self._wire = wire

    def create(
        self, *, order: str, amount: Amount, description: str, return_url: str, key: UUID
    ) -> Checkout:
        """See `Checkouts.create`. A time-out is asked once more with the same key."""
        body = {
            "order": order,
            "amount_minor": amount.minor,
            "currency": amount.asset.code,
            "description": description,
            "return_url": return_url,
        }
        try:
            wire = self._wire.write("/api/checkouts", body, key, _CheckoutWire)
        except OutcomeUnknown:
            wire = self._wire.write("/api/checkouts", body, key, _CheckoutWire)
        return Checkout(wire.id, wire.url)

    def fetch(self, checkout_id: str) -> CheckoutState:
        """See `Checkouts.fetch`."""
        wire = self._wire.read(f"/api/checkouts/{checkout_id}", _CheckoutWire)
        if wire is None:
            raise Declined("The provider does not know this checkout.", checkout=checkout_id)
        return CheckoutState(
            id=wire.id,
            order=wire.order,
            status=wire.status,
            charge_id=wire.charge_id,
            amount=_amount(wire),
            decline_code=wire.decline_code,
        )

    def refund(self, *, charge_id: str, amount: Amount, key: UUID) -> RefundState:
        """See `Checkouts.refund`."""
        body = {
            "charge_id": charge_id,
            "amount_minor": amount.minor,
            "currency": amount.asset.code,
        }
        wire = self._wire.write("/api/refunds", body, key, _RefundWire)
        return RefundState(wire.id, wire.charge_id, wire.status, _amount(wire))


class SandboxTransfers:
    """Implements `payouts.ports.Transfers`."""

    def __init__(self, wire: SandboxWire) -> None:
        self._wire = wire

    def send(self, *, payout: str, amount: Amount, destination: str, key: UUID) -> TransferState:
        """See `Transfers.send`."""
        body = {
            "payout": payout,
            "amount_minor": amount.minor,
            "currency": amount.asset.code,
            "destination": destination,
        }
        return _transfer(self._wire.write("/api/transfers", body, key, _TransferWire))

    def fetch(self, *, key: UUID) -> TransferState | None:
        """See `Transfers.fetch`."""
        wire = self._wire.read(f"/api/transfers/{key}", _TransferWire)
        return _transfer(wire) if wire else None


def _amount(wire: _CheckoutWire | _RefundWire | _TransferWire) -> Amount:
    try:
        return Amount(wire.amount_minor, asset(wire.currency))
    except (BadAmount, UnknownAsset) as error:
        raise OutcomeUnknown("The payment provider's amount cannot be read.") from error


def _transfer(wire: _TransferWire) -> TransferState:
    return TransferState(wire.id, wire.payout, wire.status, _amount(wire), wire.reason)


def _decoded(response: httpx.Response, wire: type[T]) -> T:
    if not response.is_success:
        raise OutcomeUnknown("The payment provider's answer is not one.")
    try:
        return msgspec.json.decode(response.content, type=wire)
    except msgspec.MsgspecError as error:
        raise OutcomeUnknown("The payment provider's answer cannot be read.") from error


def _declined(response: httpx.Response) -> ProviderError:
    try:
        reason = str(json.loads(response.content)["detail"])[:200]
    except (ValueError, KeyError, TypeError):
        reason = f"status {response.status_code}"
    return Declined(f"The payment provider refused: {reason}", status=response.status_code)
