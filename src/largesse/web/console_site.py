"""The site object of the operator console.

Owns the console's own sign-in and title. Must not know its pages. Invariant: the admin's password
form is never shown; staff sign in where everybody does, with their second factor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.http import HttpRequest, HttpResponseBase
from unfold.sites import UnfoldAdminSite

AdminView = Callable[[HttpRequest, dict[str, Any] | None], HttpResponseBase]


class ConsoleSite(UnfoldAdminSite):
    """The admin site under the console's address, without a sign-in of its own."""

    site_title = "largesse console"
    site_header = "largesse"
    index_title = "Console"

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Send to the common sign-in; the stock form would not ask for a second factor."""
        guarded: AdminView = secure_admin_login(super().login)
        return guarded(request, extra_context)
