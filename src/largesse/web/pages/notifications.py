"""Where providers call.

Owns the endpoint of the sandbox's notifications. Must not decide anything: the call is verified,
stored, answered for, and applied by re-reading the provider. Invariant: 2xx is answered only after
the notification is stored; an unsigned call leaves no trace but a log line.
"""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from largesse.adapters import clock
from largesse.adapters.providers.sandbox import PROVIDER, BadNotification
from largesse.recharge.services import apply_notification, store_notification
from largesse.web import providers
from largesse.web.jobs.recharge import appliers

app_name = "notifications"

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 65_536

# Made when the addresses are loaded: a product whose secret is weak does not start.
_CHECK = providers.notification_check()


@csrf_exempt
@require_POST
def sandbox(request: HttpRequest) -> HttpResponse:
    """Take a notification: 400 unsigned, 413 too large, 202 stored (and applied where possible)."""
    if len(request.body) > MAX_BODY_BYTES:
        return _problem(413, "too_large", "A notification has at most 64 KiB.")
    try:
        notice = _CHECK.verify(request.body, request.headers)
    except BadNotification as error:
        _log.warning("A notification was refused: its signature does not hold.")
        return _problem(400, error.code, error.message)
    now = clock.now()
    stored = store_notification(
        provider=PROVIDER,
        event_id=notice.event_id,
        kind=notice.kind,
        object_id=notice.object_id,
        body=request.body.decode(),
        now=now,
    )
    # From here on the janitor has it: what fails now is tried again without the provider.
    apply_notification(stored.pk, appliers=appliers(now), now=now)
    return HttpResponse(status=202)


def _problem(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(
        {"type": f"urn:largesse:{code}", "status": status, "detail": detail},
        status=status,
        content_type="application/problem+json",
    )


urlpatterns = [path("sandbox", sandbox, name="sandbox")]
