"""What every template may know.

Owns the names that the shell of a page uses. Must not query the database. Invariant: nothing here
is secret; it may stand in any page.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def product(request: HttpRequest) -> dict[str, object]:
    """Return the live service's address and whether this is the sandbox, with its mail folder."""
    config = settings.CONFIG
    return {
        "live_url": config.live_url,
        "is_sandbox": config.sandbox,
        "sandbox_mail_folder": str(settings.EMAIL_FILE_PATH) if config.sandbox else "",
    }
