"""The creator's studio: what was earned, what matures when, the room, and the statement.

Owns the creator's own view of diamonds. Must not compute shares or post anything: `earnings` and
the ledger do. Invariant: a creator sees their own figures only, each of which stands in the
statement that the page links to.
"""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.db.models import Sum
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from largesse.adapters import clock
from largesse.adapters.postgres import reading
from largesse.adapters.postgres.earned import earned_by_day
from largesse.adapters.postgres.telling import tell_entries
from largesse.catalog.selectors import gifts_by_code
from largesse.earnings.selectors import current_policy
from largesse.gifting.errors import NotTheCreator, UnknownRoom
from largesse.gifting.models import RoomTally
from largesse.gifting.selectors import open_room_of, rooms_of
from largesse.gifting.services import close_room, open_room
from largesse.money.errors import DomainError
from largesse.money.ids import BadId, HolderId, RoomId, id_from_bytes, parse_public_id
from largesse.payouts.selectors import payouts_of
from largesse.people.selectors import display_names
from largesse.people.services import become_creator
from largesse.web.pages import statement_words, studio_views
from largesse.web.pages.creators import creator_only, signed_in

app_name = "studio"

RECENT_GIFTS = 8
SUPPORTERS = 5
STATEMENT_PAGE = 25
_CURSOR_SALT = "studio statement"


@login_required
@never_cache
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show the studio, or how to become a creator."""
    user = signed_in(request)
    now = clock.now()
    policy = current_policy(now)
    share = studio_views.share(policy)
    if not user.holder.is_creator:
        return render(request, "studio/join.html", {"share": share})
    creator = user.holder_key
    held = reading.balances(creator)
    week = studio_views.week_start(now)
    days = earned_by_day(creator, week)
    gifts = reading.gifts_to_creator(creator, RECENT_GIFTS)
    names = display_names({gift.fan for gift in gifts})
    context = {
        "holder": user.holder,
        "share": share,
        "pending": studio_views.figure(held.get(("creator_pending", "DIAMOND"), 0), policy),
        "available": studio_views.figure(held.get(("creator_available", "DIAMOND"), 0), policy),
        "held": studio_views.figure(held.get(("creator_held", "DIAMOND"), 0), policy),
        "maturing": studio_views.maturing_chart(reading.maturing(creator), policy),
        "today": studio_views.earned_since(days, now.date()),
        "week": studio_views.earned_since(days, week.date()),
        "gifts": studio_views.received_gifts(gifts, names, gifts_by_code()),
        "supporters": _top_supporters(creator),
        "room": open_room_of(creator),
        "payout": next(iter(payouts_of(creator, 1)), None),
    }
    return render(request, "studio/index.html", context)


@login_required
@require_POST
def join(request: HttpRequest) -> HttpResponse:
    """Make the person a creator."""
    become_creator(signed_in(request).holder_key)
    messages.success(request, _("You can receive gifts now. Give your room a title and open it."))
    return redirect("studio:index")


@require_POST
@creator_only
def open_my_room(request: HttpRequest, creator: HolderId) -> HttpResponse:
    """Open the creator's room under the title that they typed."""
    try:
        open_room(
            room_id=RoomId(id_from_bytes(secrets.token_bytes(8))),
            creator=creator,
            title=request.POST.get("title", ""),
            now=clock.now(),
        )
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Your room is open. Fans see it on the front page."))
    return redirect("studio:index")


@require_POST
@creator_only
def close_my_room(request: HttpRequest, creator: HolderId) -> HttpResponse:
    """Close the room that the form names, if it is the creator's."""
    try:
        room = RoomId(parse_public_id("room", request.POST.get("room", "")))
        close_room(room, creator=creator, now=clock.now())
    except (BadId, UnknownRoom, NotTheCreator) as error:
        raise Http404 from error
    messages.success(request, _("Your room is closed. All gifts in it are yours."))
    return redirect("studio:index")


@never_cache
@require_GET
@creator_only
def statement(request: HttpRequest, creator: HolderId) -> HttpResponse:
    """Show a page of everything that moved the creator's balances, newest first."""
    page = reading.statement(creator, STATEMENT_PAGE, _cursor(request, creator))
    context = {
        "lines": list(statement_words.lines(page.entries, tell_entries(page.entries))),
        "next": _signed(page.next, creator),
        "is_first": "before" not in request.GET,
        "share": studio_views.share(current_policy(clock.now())),
    }
    return render(request, "studio/statement.html", context)


@never_cache
@require_GET
@creator_only
def statement_file(request: HttpRequest, creator: HolderId) -> HttpResponseBase:
    """Send the whole statement as CSV, streamed, so that its length does not matter."""
    writer = csv.writer(_Echo())
    rows: Iterator[str] = (
        writer.writerow(row) for row in statement_words.csv_rows(reading.full_statement(creator))
    )
    return StreamingHttpResponse(
        rows,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="statement.csv"'},
    )


class _Echo:
    """A file that hands each line back to whoever writes it."""

    def write(self, line: str) -> str:
        """Return the line."""
        return line


def _top_supporters(creator: HolderId) -> list[dict[str, Any]]:
    """Return who gave most in the creator's latest rooms; equal sums in the order of ids."""
    rooms = [room.pk for room in rooms_of(creator)]
    rows = (
        RoomTally.objects.filter(room__in=rooms)
        .values("fan")
        .annotate(total=Sum("coins"))
        .order_by("-total", "fan")[:SUPPORTERS]
    )
    names = display_names({HolderId(row["fan"]) for row in rows})
    return [
        {"name": names.get(HolderId(row["fan"]), _("A fan")), "coins": row["total"]} for row in rows
    ]


def _signed(cursor: reading.Cursor | None, creator: HolderId) -> str:
    if cursor is None:
        return ""
    return signing.dumps({"holder": creator, **asdict(cursor)}, salt=_CURSOR_SALT, compress=True)


def _cursor(request: HttpRequest, creator: HolderId) -> reading.Cursor | None:
    """Return where the page begins; a cursor that we did not make for this creator is a 404."""
    text = request.GET.get("before", "")
    if not text:
        return None
    try:
        facts = signing.loads(text, salt=_CURSOR_SALT)
    except signing.BadSignature as error:
        raise Http404 from error
    if facts.pop("holder") != creator:
        raise Http404
    balances = tuple((code, asset, value) for code, asset, value in facts.pop("balances"))
    return reading.Cursor(**facts, balances=balances)


urlpatterns = [
    path("", index, name="index"),
    path("join/", join, name="join"),
    path("room/open/", open_my_room, name="open_room"),
    path("room/close/", close_my_room, name="close_room"),
    path("statement/", statement, name="statement"),
    path("statement.csv", statement_file, name="statement_file"),
]
