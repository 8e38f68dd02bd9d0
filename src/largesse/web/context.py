"""What every template may know.

Owns the names that the shell of a page uses. Must not query the database before a template asks.
Invariant: nothing here is about anyone but the person who is signed in.
"""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.urls import reverse

from largesse.adapters.postgres.book import DjangoBook
from largesse.people.models import User


def product(request: HttpRequest) -> dict[str, object]:
    """Return what the sandbox adds, where passkeys work, and the coins of who is signed in."""
    config = settings.CONFIG
    return {
        "is_sandbox": config.sandbox,
        "sandbox_mail_folder": str(settings.EMAIL_FILE_PATH) if config.sandbox else "",
        "sandbox_mail_page": (
            reverse("sandbox_mail:index") if settings.HAS_SANDBOX_MAIL_PAGE else ""
        ),
        "passkey_address": _passkey_address(request),
        "coin_balance": partial(_coins_of, request),
    }


def _coins_of(request: HttpRequest) -> int | None:
    """Return the coins that the signed-in fan could spend, or None for a stranger."""
    if not isinstance(request.user, User):
        return None
    wallet = DjangoBook().wallet(request.user.holder_key)
    return wallet.paid.balance + wallet.bonus.balance


def _passkey_address(request: HttpRequest) -> str:
    """Return the same page under a name, when it was asked for by number on this machine.

    A passkey belongs to a domain name; browsers refuse an IP address (WebAuthn Level 2, 5.1.2).
    """
    try:
        asked = urlsplit(f"//{request.get_host()}")
    except DisallowedHost:
        return ""
    if not settings.IS_LOCAL or not _is_number(asked.hostname or ""):
        return ""
    port = f":{asked.port}" if asked.port else ""
    return f"{request.scheme}://localhost{port}{request.path}"


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
