"""The site object of the operator console.

Owns the console's own sign-in and title. Must not know its pages. Invariant: the admin's password
form is never shown; staff sign in where everybody does, with their second factor, and cannot change
anybody else's factors or addresses by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase
from unfold.sites import UnfoldAdminSite

AdminView = Callable[[HttpRequest, dict[str, Any] | None], HttpResponseBase]

NOT_BY_HAND = frozenset({"account", "auth", "mfa"})
"""Apps whose rows are keys: addresses and second factors of their owners, groups of permissions."""


class ConsoleSite(UnfoldAdminSite):
    """The admin site under the console's address, without a sign-in of its own."""

    site_title = "largesse console"
    site_header = "largesse"
    index_title = "Console"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Take a model into the console, except those that nobody changes by hand."""
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        shown = [model for model in models if model._meta.app_label not in NOT_BY_HAND]
        super().register(shown, admin_class, **options)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Send to the common sign-in; the stock form would not ask for a second factor."""
        guarded: AdminView = secure_admin_login(super().login)
        return guarded(request, extra_context)
