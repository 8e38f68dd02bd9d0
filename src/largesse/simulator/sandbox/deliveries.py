"""How the sandbox's notifications reach the product.

Owns signing and sending. Must not know what a notification says. Invariant: a notification is sent
until the product answers 2xx, so it may arrive twice and out of order, and survives a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import httpx
from standardwebhooks import Webhook

from largesse.simulator.sandbox.records import Due, Records

_log = logging.getLogger(__name__)

AT_ONCE = 20
PAUSE_SECONDS = 0.2
TIMEOUT_SECONDS = 10


class Courier:
    """Lets time pass for the sandbox and carries its notifications."""

    def __init__(
        self, records: Records, *, url: str, signing_secret: str, now: Callable[[], datetime]
    ) -> None:
        self._records = records
        self._url = url
        self._webhook = Webhook(signing_secret)
        self._now = now

    async def run(self) -> None:
        """Work until cancelled. What fails is tried again: at the next turn, or when it is due."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            while True:
                try:
                    await self.turn(client)
                except Exception:  # noqa: BLE001 - a lost database must not end the courier
                    _log.exception("The sandbox could not do its round; it tries again.")
                await asyncio.sleep(PAUSE_SECONDS)

    async def turn(self, client: httpx.AsyncClient) -> None:
        """Confirm, expire and settle what is due, then send what is due."""
        await self._records.tick()
        due = await self._records.claim_due(AT_ONCE)
        await asyncio.gather(*(self._send(client, notification) for notification in due))

    async def _send(self, client: httpx.AsyncClient, notification: Due) -> None:
        now = self._now()
        headers = {
            "content-type": "application/json",
            "webhook-id": notification.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(notification.id, now, notification.body),
        }
        try:
            answer = await client.post(self._url, content=notification.body, headers=headers)
        except httpx.TransportError as error:
            _log.info("%s was not delivered: %s", notification.id, type(error).__name__)
            return
        if answer.is_success:
            await self._records.mark_delivered(notification.id)
        else:
            _log.info("%s was answered %d", notification.id, answer.status_code)
