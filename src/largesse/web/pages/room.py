"""Live rooms: which are open, one room to watch and gift in, and its token.

Owns what the page needs before the live service speaks. Must not post gifts: the live service does,
and this page only signs who may ask it. Invariant: everybody may watch; a token is made for the
signed-in person alone, for this room alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from largesse.adapters import clock
from largesse.adapters.origins import as_opened, nameable
from largesse.adapters.postgres.book import DjangoBook
from largesse.catalog.errors import NothingOnSale
from largesse.catalog.models import Gift
from largesse.catalog.selectors import (
    Offer,
    find_gift,
    gift_catalogue,
    gifts_by_code,
    packages_for,
    regions_on_sale,
)
from largesse.gifting import tokens
from largesse.gifting.errors import UnknownRoom
from largesse.gifting.models import Room
from largesse.gifting.rules import COMMENT_MAX, RoomStatus
from largesse.gifting.selectors import get_room, open_rooms, totals_of
from largesse.gifting.tokens import Role
from largesse.money.ids import BadId, HolderId, RoomId, parse_public_id
from largesse.people.models import User
from largesse.people.selectors import get_holder, holders_by_id
from largesse.web.pages import costs
from largesse.web.pages.store_regions import CHANNEL, choose_region
from largesse.web.templatetags.money import show_minor

app_name = "room"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show the rooms that are open now."""
    rooms = open_rooms()
    hosts = holders_by_id(HolderId(room.creator) for room in rooms)
    totals = totals_of(RoomId(room.id) for room in rooms)
    shown = [
        {"room": room, "host": hosts[HolderId(room.creator)], "totals": totals[RoomId(room.id)]}
        for room in rooms
    ]
    return render(request, "room/index.html", {"rooms": shown})


@never_cache
@require_safe
def watch(request: HttpRequest, room: str) -> HttpResponse:
    """Show one room; the stream of what happens comes from the live service."""
    found = _room_or_404(room)
    now = clock.now()
    offer = _offer(request, now)
    host = get_holder(HolderId(found.creator))
    user = request.user if isinstance(request.user, User) else None
    context = {
        "room": found,
        "host": host,
        "is_open": found.status == RoomStatus.OPEN,
        "is_own": user is not None and user.holder_key == found.creator,
        "gifts": _gifts(user, offer),
        "comment_max": COMMENT_MAX,
        "store_url": f"{reverse('store:index')}?{urlencode({'room': found.public_id})}",
        "login_url": f"{reverse('account_login')}?{urlencode({'next': request.path})}",
        "room_facts": _facts(request, found, user, now),
    }
    return render(request, "room/watch.html", context)


@never_cache
@require_GET
@login_required
def token(request: HttpRequest, room: str) -> HttpResponse:
    """Return a fresh token for a page that has been open for long."""
    assert isinstance(request.user, User)
    return JsonResponse({"token": _token(_room_or_404(room), request.user, clock.now())})


@never_cache
@require_GET
@login_required
def quote(request: HttpRequest, room: str) -> JsonResponse:
    """Return what a gift would really cost the reader now, out of their own coins."""
    _room_or_404(room)
    assert isinstance(request.user, User)
    gift = find_gift(request.GET.get("gift", ""))
    if gift is None:
        raise Http404
    holder = request.user.holder_key
    book = DjangoBook()
    found = costs.quote(book.wallet(holder), book.lots(holder), gift.coins)
    return JsonResponse(found.document if found else {"coins": gift.coins, "words": ""})


def _room_or_404(text: str) -> Room:
    try:
        return get_room(RoomId(parse_public_id("room", text)))
    except (BadId, UnknownRoom) as error:
        raise Http404(error.message) from error


def _token(room: Room, user: User, now: datetime) -> str:
    role: Role = "creator" if user.holder_key == room.creator else "fan"
    return tokens.issue(
        tokens.signing_key(settings.CONFIG.secret),
        holder=user.holder_key,
        name=user.holder.display_name,
        room=RoomId(room.id),
        role=role,
        now=now,
    )


def _facts(request: HttpRequest, room: Room, user: User | None, now: datetime) -> dict[str, object]:
    """Return what the page's script starts from, as JSON."""
    me = None
    if user is not None:
        me = {"id": user.holder.public_id, "token": _token(room, user, now)}
    return {
        "room": room.public_id,
        "live": nameable(as_opened(settings.CONFIG.live_url, request.get_host())),
        "me": me,
        "now_ms": (now - _EPOCH) // timedelta(milliseconds=1),
        "token_url": reverse("room:token", args=[room.public_id]),
        "quote_url": reverse("room:quote", args=[room.public_id]),
        "avatars": static("largesse/art/avatars/1.svg").removesuffix("1.svg"),
        "gifts": {
            gift.slug: {"name": gift.name, "art": static(f"largesse/{gift.art}"), "alt": gift.alt}
            for gift in gifts_by_code().values()
        },
        "words": _words(),
    }


def _words() -> dict[str, str]:
    """Return the sentences that the script says; {name} and the like are filled in there."""
    return {
        "sent": _("sent {gift}"),
        "coins_one": _("{count} coin"),
        "coins_other": _("{count} coins"),
        "gifts_one": _("{count} gift"),
        "gifts_other": _("{count} gifts"),
        "streak_total": _("{gift} · {coins}"),
        "viewers": _("{count} watching"),
        "no_lines": _("Nobody has said anything yet. Be the first."),
        "no_supporters": _("The first gift puts a name here."),
        "summary": _("{gifts}, {coins}, by {fans}."),
        "and_others_one": _("{name} and {count} other"),
        "and_others_other": _("{name} and {count} others"),
        "short_one": _("{count} more coin is needed for {gift}."),
        "short_other": _("{count} more coins are needed for {gift}."),
        "trouble": _("The room could not be reached. Nothing was charged for what did not arrive."),
        "retrying": _("Sending again…"),
        "sending_in": _("Sending {gift} · {coins}"),
        "taken_back": _("Taken back. Nothing was charged."),
        "send": _("Send {gift}"),
        "tap": _("Tap to send {gift}"),
    }


def _offer(request: HttpRequest, now: datetime) -> Offer | None:
    """Return what the store sells to this reader, or None when nothing is on sale."""
    try:
        region = choose_region(request, regions_on_sale(CHANNEL, now)).region
        return packages_for(region, CHANNEL, now)
    except NothingOnSale:
        return None


def _gifts(user: User | None, offer: Offer | None) -> list[dict[str, object]]:
    """Return the gifts with what they cost: out of the reader's own coins, else at the store."""
    wallet, lots = None, []
    if user is not None:
        wallet, lots = DjangoBook().wallet(user.holder_key), DjangoBook().lots(user.holder_key)
    rows: list[dict[str, object]] = []
    for gift in gift_catalogue():
        own = costs.quote(wallet, lots, gift.coins) if wallet else None
        price = own.money or _("free") if own else _price(gift, offer)
        rows.append({"gift": gift, "price": price})
    return rows


def _price(gift: Gift, offer: Offer | None) -> str:
    """Return what the gift's coins cost at most: at the dearest price per coin on sale."""
    if offer is None:
        return ""
    dearest = max(package.per_coin for package in offer.packages)
    return show_minor(ceil(gift.coins * dearest), offer.currency)


urlpatterns = [
    path("", index, name="index"),
    path("<str:room>/", watch, name="watch"),
    path("<str:room>/token/", token, name="token"),
    path("<str:room>/quote/", quote, name="quote"),
]
