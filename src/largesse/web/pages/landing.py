"""The front page.

Owns what a stranger reads first. Must not show anybody's balance. Invariant: it answers without
signing in.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

_GIFTS = ("hearts", "panda", "tulip", "paper-boat", "warm-cup", "firefly")
"""The drawings of the first screen."""


def landing(request: HttpRequest) -> HttpResponse:
    """Say what the product is and where to go."""
    return render(request, "landing.html", {"gifts": _GIFTS})
