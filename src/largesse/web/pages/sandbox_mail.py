"""The mail that a sandbox on one's own machine did not send.

Owns the page that shows it. Must not exist anywhere else: mail holds sign-in codes. Invariant: it
answers 404 unless this is the sandbox, under a loopback address.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache

app_name = "sandbox_mail"

_SHOWN = 20
_SEPARATOR = b"-" * 79
"""What Django's file backend writes after each message."""


class Mail(NamedTuple):
    """One message as the page shows it; `sent_at` is ISO 8601."""

    subject: str
    to: str
    sent_at: str
    text: str


@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """Show the newest messages."""
    if not settings.HAS_SANDBOX_MAIL_PAGE:
        raise Http404
    return render(request, "sandbox/mail.html", {"mails": newest_mails(settings.EMAIL_FILE_PATH)})


def newest_mails(folder: Path) -> list[Mail]:
    """Return the last twenty messages of the folder, newest first; none when it does not exist."""
    files = sorted(folder.glob("*.log"), reverse=True)[:_SHOWN]
    mails = [mail for file in files for mail in reversed(_read(file))]
    return sorted(mails, key=lambda mail: mail.sent_at, reverse=True)[:_SHOWN]


def _read(file: Path) -> list[Mail]:
    parts = [part.strip() for part in file.read_bytes().split(_SEPARATOR)]
    return [_parse(part) for part in parts if part]


def _parse(raw: bytes) -> Mail:
    message = message_from_bytes(raw, policy=policy.default)
    body = message.get_body(("plain",))
    return Mail(
        subject=str(message["Subject"]),
        to=str(message["To"]),
        sent_at=parsedate_to_datetime(str(message["Date"])).isoformat(),
        text=body.get_content().strip() if body else "",
    )


urlpatterns = [path("", index, name="index")]
