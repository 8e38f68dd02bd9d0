"""How the product sends mail, and where mail goes in the sandbox.

Owns the mail backend of the sandbox and the reading of an SMTP address. Must not know who is
written to. Invariant: outside the sandbox no message is printed or left in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.console import EmailBackend as ConsoleBackend
from django.core.mail.backends.filebased import EmailBackend as FileBackend
from django.core.mail.message import EmailMessage

from largesse.adapters.config import ConfigError

SANDBOX_BACKEND = "largesse.web.mail.SandboxMail"
SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


class SandboxMail(BaseEmailBackend):
    """Prints each message and keeps it as a file under the data directory."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Deliver to both places and return how many messages there were."""
        ConsoleBackend(fail_silently=self.fail_silently).send_messages(email_messages)
        return FileBackend(fail_silently=self.fail_silently).send_messages(email_messages) or 0


class Relay(NamedTuple):
    """The SMTP server that takes our mail."""

    host: str
    port: int
    user: str
    password: str
    is_tls_at_once: bool
    is_upgraded: bool
    """Whether the connection is raised to TLS by STARTTLS before anything is sent."""


def read_relay(url: str) -> Relay:
    """Read `smtp://user:password@host:port`, or `smtps://` for TLS from the first byte.

    On `smtp://` the connection is upgraded, except to a relay on this machine. Raises ConfigError
    without repeating the address, which holds a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ConfigError("LARGESSE_SMTP_URL must look like smtp://user:password@host:587")
    at_once = parts.scheme == "smtps"
    return Relay(
        host=parts.hostname,
        port=parts.port or (465 if at_once else 25),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        is_tls_at_once=at_once,
        is_upgraded=not at_once and parts.hostname not in ("localhost", "127.0.0.1"),
    )
