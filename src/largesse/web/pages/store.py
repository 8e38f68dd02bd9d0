"""The store: packages, an order, its payment and what became of it.

Owns the path from choosing coins to having them. Must not decide prices or states: `catalog` and
`recharge` do. Invariant: every visit of an order's page re-reads the provider, and however often a
form is sent, one key places one order.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from largesse.adapters import clock
from largesse.adapters.origins import as_opened
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.providers.sandbox import PROVIDER
from largesse.catalog.errors import NothingOnSale, PriceChanged, UnknownPackage
from largesse.catalog.selectors import find_gift, packages_for, regions_on_sale
from largesse.ledger.errors import KeyReused, StaleKey
from largesse.money.errors import ProviderError, TransientError
from largesse.money.ids import (
    BadId,
    HolderId,
    OrderId,
    id_from_bytes,
    parse_public_id,
    require_uuid7,
    uuid7,
)
from largesse.people.models import User
from largesse.recharge import services
from largesse.recharge.errors import QuoteExpired, UnknownOrder
from largesse.recharge.models import Order
from largesse.recharge.rules import OPEN_STATUSES
from largesse.recharge.selectors import order_of, timeline
from largesse.web import providers
from largesse.web.pages import store_views
from largesse.web.pages.store_regions import CHANNEL, choose_region

app_name = "store"

MAX_NEED = 10_000_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What brought the fan here: coins that are missing, for a gift, in a room."""

    need: int = 0
    gift: str = ""
    room: str = ""

    @property
    def query(self) -> str:
        """Return the wish as the query of an address."""
        named = {"need": str(self.need or ""), "gift": self.gift, "room": self.room}
        return urlencode({name: value for name, value in named.items() if value})


@never_cache
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show the packages of the reader's region, compared honestly; nothing is chosen for them."""
    now = clock.now()
    wish = _wish(request.GET)
    regions = regions_on_sale(CHANNEL, now)
    choice = choose_region(request, regions)
    context: dict[str, object] = {
        "wish": wish,
        "gift": find_gift(wish.gift),
        "choice": choice,
        "regions": store_views.region_links(regions, choice.region, wish.query),
        "can_pay": settings.CONFIG.sandbox,
        "sign_in": _sign_in_address(wish),
        "room_link": room_link(wish.room),
    }
    try:
        offer = packages_for(choice.region, CHANNEL, now)
    except NothingOnSale:
        return render(request, "store/closed.html", context, status=503)
    context["shelf"] = store_views.shelf(offer, wish.need)
    context["key"] = str(uuid7(int(now.timestamp() * 1000), secrets.token_bytes(10)))
    return render(request, "store/index.html", context)


@login_required
@require_POST
def place(request: HttpRequest) -> HttpResponse:
    """Hold the price, open the checkout and send the fan there."""
    wish = _wish(request.POST)
    now = clock.now()
    try:
        order = services.place_order(
            order_id=OrderId(id_from_bytes(secrets.token_bytes(8))),
            key=require_uuid7(request.POST.get("key", "")),
            holder=_holder(request),
            counts=store_views.parse_pick(request.POST.get("pick", "")),
            provider=PROVIDER,
            origin=services.Origin(room=wish.room, gift=wish.gift),
            now=now,
        )
    except StaleKey:
        # The key is the form's own; people are told about the page that they see.
        messages.warning(
            request, _("This page was open for more than a day. Check the prices, then choose.")
        )
        return HttpResponseRedirect(f"{reverse('store:index')}?{wish.query}")
    except (UnknownPackage, PriceChanged, KeyReused, BadId) as error:
        messages.warning(request, error.message)
        return HttpResponseRedirect(f"{reverse('store:index')}?{wish.query}")
    return _to_checkout(request, order)


@login_required
@require_POST
def pay(request: HttpRequest, order: str) -> HttpResponse:
    """Go to the checkout of an order that was placed before."""
    return _to_checkout(request, _order(request, order))


@login_required
@never_cache
@require_GET
def show(request: HttpRequest, order: str) -> HttpResponse:
    """Show how far an order has come, after asking the provider."""
    found, unreachable = _refreshed(_order(request, order))
    context = _order_context(found, unreachable)
    return render(request, "store/order.html", context)


@login_required
@never_cache
@require_GET
def watch(request: HttpRequest, order: str) -> HttpResponse:
    """Answer the order page's own question: the new state, or 204 when nothing has changed."""
    found, unreachable = _refreshed(_order(request, order))
    context = _order_context(found, unreachable)
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return render(request, "store/_order.html", context)


def room_link(room: str) -> str:
    """Return the address of a room by its public id, or nothing when it is not one."""
    try:
        parse_public_id("room", room)
    except BadId:
        return ""
    return reverse("room:watch", args=[room])


def _to_checkout(request: HttpRequest, order: Order) -> HttpResponse:
    page = reverse("store:order", args=[order.public_id])
    # The session is kept by name: whoever came as localhost must come back as localhost.
    origin = as_opened(settings.CONFIG.public_url, request.get_host())
    try:
        order = services.open_checkout(
            OrderId(order.pk),
            checkouts=providers.checkouts(),
            return_url=f"{origin}{page}",
            now=clock.now(),
        )
    except (QuoteExpired, ProviderError, TransientError) as error:
        messages.warning(request, f"{error.message} {_('No money was taken.')}")
        return redirect(page)
    is_payable = order.checkout_url and order.state in OPEN_STATUSES
    return redirect(order.checkout_url if is_payable else page)


def _refreshed(order: Order) -> tuple[Order, bool]:
    """Return the order as the provider sees it now, and whether the provider could not be asked."""
    try:
        return (
            services.refresh_order(
                OrderId(order.pk),
                checkouts=providers.checkouts(),
                book=DjangoBook(),
                now=clock.now(),
            ),
            False,
        )
    except (ProviderError, TransientError):
        return order, True


def _order_context(order: Order, unreachable: bool) -> dict[str, object]:
    events = timeline(order)
    now = clock.now()
    gift = find_gift(order.gift)
    return {
        "order": order,
        "view": store_views.order_view(order, events, now),
        "gift": gift,
        "unreachable": unreachable,
        "seen": f"{len(events)}{'u' if unreachable else ''}",
        "room_link": room_link(order.room),
    }


def _wish(data: QueryDict) -> Wish:
    need = data.get("need", "")
    is_number = need.isascii() and need.isdigit() and len(need) < 10
    coins = int(need) if is_number else 0
    return Wish(
        need=coins if coins <= MAX_NEED else 0,
        gift=data.get("gift", "")[:40],
        room=data.get("room", "")[:40],
    )


def _sign_in_address(wish: Wish) -> str:
    back = f"{reverse('store:index')}?{wish.query}" if wish.query else reverse("store:index")
    return f"{reverse('account_login')}?{urlencode({'next': back})}"


def _holder(request: HttpRequest) -> HolderId:
    assert isinstance(request.user, User)
    return request.user.holder_key


def _order(request: HttpRequest, public: str) -> Order:
    try:
        return order_of(_holder(request), OrderId(parse_public_id("rch", public)))
    except (BadId, UnknownOrder) as error:
        raise Http404 from error


urlpatterns = [
    path("", index, name="index"),
    path("orders/", place, name="place"),
    path("orders/<str:order>/", show, name="order"),
    path("orders/<str:order>/pay/", pay, name="pay"),
    path("orders/<str:order>/watch/", watch, name="watch"),
]
