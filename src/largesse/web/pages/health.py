"""Whether the web process can serve: what a supervisor or a load balancer asks.

Owns one answer. Must not say anything about the product's state. Invariant: 200 means that a page
could be served now, with the database.
"""

from __future__ import annotations

from django.db import OperationalError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 after one round trip to the database, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return JsonResponse({"ok": False}, status=503)
    return JsonResponse({"ok": True})
