"""Checks that every request passes, whatever page it asks for.

Owns the gate before the console and the browser features that pages may use. Must not know single
pages. Invariant: no console page answers anyone but staff who have proved a second factor in this
very session.
"""

from __future__ import annotations

from collections.abc import Callable

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from largesse.money.ids import HolderId
from largesse.people.models import User
from largesse.people.selectors import second_factors

Responder = Callable[[HttpRequest], HttpResponseBase]

_FEATURES = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()"


def browser_features(get_response: Responder) -> Responder:
    """Tell the browser which of its features no page of ours asks for (Permissions-Policy)."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", _FEATURES)
        return response

    return respond


def console_gate(get_response: Responder) -> Responder:
    """Let only staff with a proved second factor reach the console.

    1. Nobody signed in: to the sign-in page, and back afterwards.
    2. Signed in, not staff: 403.
    3. No second factor enrolled: to the enrolment, with the reason.
    4. Enrolled, but this session began without it: asked for it now.
    """

    def respond(request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(settings.CONSOLE_PREFIX):
            return get_response(request)
        return _turned_away(request) or get_response(request)

    return respond


def _turned_away(request: HttpRequest) -> HttpResponseBase | None:
    user = request.user
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if not user.is_staff:
        raise PermissionDenied("The console is for staff.")
    factors = second_factors(HolderId(user.pk))
    if not factors:
        messages.warning(
            request,
            _("The console asks staff for a second factor. Add an authenticator app or a passkey."),
        )
        return HttpResponseRedirect(reverse("mfa_index"))
    if not _proved_second_factor(request, user):
        name = "mfa_reauthenticate"
        if Authenticator.Type.TOTP not in factors:
            name = "mfa_reauthenticate_webauthn"
        query = urlencode({"next": request.get_full_path()})
        return HttpResponseRedirect(f"{reverse(name)}?{query}")
    return None


def _proved_second_factor(request: HttpRequest, user: User) -> bool:
    records = get_authentication_records(request, user)
    return any(record.get("method") == "mfa" for record in records)
