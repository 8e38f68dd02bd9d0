"""The front page.

Owns what a stranger reads first, and which rooms are live now. Must not show anybody's balance.
Invariant: it answers without signing in.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from largesse.gifting.selectors import open_rooms, totals_of
from largesse.money.ids import HolderId, RoomId
from largesse.people.selectors import holders_by_id

_GIFTS = ("hearts", "panda", "tulip", "paper-boat", "warm-cup", "firefly")
"""The drawings of the first screen."""
_ROOMS = 6


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Say what the product is and where to go."""
    rooms = open_rooms(limit=_ROOMS)
    hosts = holders_by_id(HolderId(room.creator) for room in rooms)
    totals = totals_of(RoomId(room.id) for room in rooms)
    shown = [
        {
            "room": room,
            "host": hosts[HolderId(room.creator)],
            "gifts": totals[RoomId(room.id)].gifts,
        }
        for room in rooms
    ]
    return render(request, "landing.html", {"gifts": _GIFTS, "rooms": shown})
