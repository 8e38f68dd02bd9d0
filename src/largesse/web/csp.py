"""What a browser may load, and where a form may go.

Owns the Content-Security-Policy of every page. Must not know the pages. Invariant: outside the
console no inline script or style ever runs; inside it the looser policy still refuses every other
origin.

`form-action` names the checkout's origin, because browsers apply it to the redirect that follows a
POST as well (Content Security Policy Level 3, section 6.4.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings

from largesse.adapters.origins import nameable, names_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

Directives = dict[str, list[str]]


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address: the form in which a policy names a source."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def page_policy(*, live_url: str, checkout_url: str | None) -> Directives:
    """Return the policy of every page but the console.

    Pages talk to the live service by fetch, SSE and WebSocket; a checkout host takes the form that
    begins a payment. Where one of them is on this machine, each of its names may be used.
    """
    live = _sources(live_url)
    form_targets = [SELF, *(_sources(checkout_url) if checkout_url else [])]
    return {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF, *live, *(one.replace("http", "ws", 1) for one in live)],
        "form-action": form_targets,
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }


def _sources(url: str) -> list[str]:
    return list(dict.fromkeys(nameable(name) for name in names_of(origin_of(url))))


def console_policy() -> Directives:
    """Return the console's policy: its pages are built with inline styles and expressions."""
    return {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "form-action": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }


class PolicyMiddleware(CSPMiddleware):
    """Sends the page policy everywhere and the looser one under the console's address only."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Choose the policy by path; a view may still replace it."""
        parts = super().get_policy_parts(request, response, report_only)
        if parts.config is None and request.path_info.startswith(settings.CONSOLE_PREFIX):
            parts.config = console_policy()
        return parts
