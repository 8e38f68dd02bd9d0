"""Which provider this installation takes and sends money with.

Owns the wiring of provider clients to the configuration. Must not know orders or payouts.
Invariant: without a configured provider every call is refused as Unavailable; nothing pretends.
"""

from __future__ import annotations

from functools import cache
from threading import Lock

from django.conf import settings
from django.db import connection

from largesse.adapters.providers.sandbox import (
    NotificationCheck,
    SandboxCheckouts,
    SandboxTransfers,
    SandboxWire,
    derive_credentials,
)
from largesse.money.errors import Unavailable


def checkouts() -> SandboxCheckouts:
    """Return what takes money; raises Unavailable where no provider is set up."""
    return SandboxCheckouts(wire())


def transfers() -> SandboxTransfers:
    """Return what sends money; raises Unavailable where no provider is set up."""
    return SandboxTransfers(wire())


def notification_check() -> NotificationCheck:
    """Return the check of the provider's notifications; raises ConfigError for a weak secret."""
    return NotificationCheck(derive_credentials(settings.CONFIG.secret).signing_secret)


def wire() -> SandboxWire:
    """Return the connection to the provider; raises Unavailable where none is set up."""
    config = settings.CONFIG
    if not config.sandbox:
        raise Unavailable("No payment provider is set up on this installation.")
    with _one_at_a_time:
        return _sandbox(config.sandbox_url, config.secret)


_one_at_a_time = Lock()
"""Two threads that ask first at the same moment must not make two connections."""


@cache
def _sandbox(url: str, secret: str) -> SandboxWire:
    return SandboxWire(url, derive_credentials(secret), in_transaction=_in_transaction)


def _in_transaction() -> bool:
    return connection.in_atomic_block
