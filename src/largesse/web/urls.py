"""The addresses of the product.

Owns which page group answers under which prefix. Must not hold views. Invariant: each page group
is one module of `largesse.web.pages` with an `app_name` equal to its module's name, whose front
page, if it has one, is called `index`; only the landing page has no prefix.
"""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from largesse.web.pages import errors, health, landing

_GROUPS = {
    "store/": "store",
    "wallet/": "wallet",
    "settings/": "settings",
    "notifications/": "notifications",
    "live/": "room",
    "studio/": "studio",
    "payouts/": "payouts",
    "receipts/": "receipts",
    "console/": "console",
}

urlpatterns: list[URLPattern | URLResolver] = [
    path("", landing.landing, name="landing"),
    path("healthz", health.healthz),
    path("accounts/", include("allauth.urls")),
    path("me/", include("largesse.web.pages.profile")),
    path("sandbox/mail/", include("largesse.web.pages.sandbox_mail")),
    *(
        path(prefix, include(f"largesse.web.pages.{module}"))
        for prefix, module in _GROUPS.items()
        if find_spec(f"largesse.web.pages.{module}")
    ),
    path("console/", admin.site.urls),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
