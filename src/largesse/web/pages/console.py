"""The operator console: are the books sound, what waits for a person, who is this holder.

Owns the console's own pages beside the lists of `web.admin`. Must not touch a row: each action is
a service. Invariants: only staff with a proved second factor reach it (web.middleware), what they
may see or do is a permission, and every action is a POST.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from largesse.adapters import clock
from largesse.adapters.postgres import reading
from largesse.adapters.postgres.checks import CHECKS, run_checks
from largesse.adapters.postgres.telling import tell_entries
from largesse.adapters.postgres.totals import people_totals
from largesse.finance.selectors import closed_days
from largesse.money.ids import BadId, HolderId, PayoutId, parse_public_id
from largesse.payouts import services as payout_services
from largesse.payouts.models import Payout
from largesse.payouts.selectors import needing_attention, payouts_by_status, payouts_of
from largesse.people.errors import UnknownHolder
from largesse.people.models import Holder
from largesse.people.selectors import get_holder
from largesse.recharge.models import Notification, Order
from largesse.recharge.rules import Status
from largesse.recharge.selectors import orders_of, parked_orders
from largesse.web import test_clock
from largesse.web.pages import console_search, console_views, payout_views, statement_words
from largesse.web.pages.creators import signed_in

app_name = "console"

LINES = 100
LATEST = 10
CHECK_SECONDS = 20
"""How long the dashboard waits for the check of the books; large ones are checked by the CLI."""
CHECK_LIFETIME_SECONDS = 60
_CHECK_KEY = "console-books"

ConsoleView = Callable[..., HttpResponse]


def allowed(permission: str, view: ConsoleView) -> ConsoleView:
    """Return the view behind the console's gate and a permission; without it staff get 403."""

    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not signed_in(request).has_perm(permission):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    gated: ConsoleView = admin.site.admin_view(guarded)
    return gated


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show whether the books are sound, what stands where, and what waits for a person."""
    now = clock.now()
    waiting = Notification.objects.filter(applied_at__isnull=True)
    context = {
        "title": "Dashboard",
        "books": _books(),
        "balances": console_views.balance_tables(reading.platform_balances(), people_totals()),
        "orders": console_views.counts_table("Orders", _orders_by_status()),
        "payouts": console_views.counts_table(
            "Payouts", {status.value: number for status, number in payouts_by_status().items()}
        ),
        "waiting": waiting.count(),
        "tried": waiting.filter(attempts__gt=0).count(),
        "oldest": waiting.order_by("received_at").first(),
        "parked_orders": console_views.orders_table(parked_orders(LATEST)),
        "parked_payouts": console_views.payouts_table(needing_attention(now)[:LATEST]),
        "days": console_views.days_table(closed_days(7)),
        "now": now,
        "test_clock": test_clock.is_on(),
        "clock_days": test_clock.STEPS_DAYS,
    }
    return _render(request, "console/index.html", context)


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Find people by name, handle, email or any public id; answers the field as one types."""
    query = request.GET.get("q", "").strip()
    context = {
        "title": "Find a person",
        "query": query,
        "found": console_search.find(query),
    }
    if request.headers.get("HX-Request"):
        return render(request, "console/_found.html", context)
    return _render(request, "console/search.html", context)


@require_GET
def holder(request: HttpRequest, public: str) -> HttpResponse:
    """Explain a holder: balances, the entries that made them, orders and payouts."""
    found = _holder(public)
    number = HolderId(found.pk)
    entries = reading.statement(number, LINES).entries
    held = reading.balances(number)
    context = {
        "title": found.display_name,
        "subtitle": found.public_id,
        "holder": found,
        "balances": console_views.holder_balances_table(held),
        "lines": console_views.statement_table(
            statement_words.lines(entries, tell_entries(entries))
        ),
        "maturing": reading.maturing(number),
        "orders": console_views.orders_table(orders_of(number, LATEST)),
        "payouts": console_views.payouts_table(payouts_of(number, LATEST)),
    }
    return _render(request, "console/holder.html", context)


@require_GET
def payout(request: HttpRequest, public: str) -> HttpResponse:
    """Show a payout with its timeline, and what an operator can do about it."""
    found = _payout(public)
    context = {
        "title": "Payout",
        "subtitle": found.public_id,
        "payout": found,
        "row": payout_views.row(found),
        "owner": console_views.holder_link(found.holder),
        "events": console_views.timeline_table(found),
        "may_release": bool(found.parked) and signed_in(request).has_perm("payouts.change_payout"),
    }
    return _render(request, "console/payout.html", context)


@require_POST
def release_payout(request: HttpRequest, public: str) -> HttpResponse:
    """Let a parked payout be asked about again, with a note of what was found."""
    found = _payout(public)
    note = request.POST.get("note", "").strip()
    if not note:
        messages.error(request, "Say what you found out: the note stays in the timeline.")
    else:
        by = signed_in(request).holder_key
        payout_services.release_parked(found.payout_id, note=note, by=by, now=clock.now())
        messages.success(request, "Released. The sweep asks the provider again within a minute.")
    return redirect("console:payout", found.public_id)


@require_POST
def move_clock(request: HttpRequest) -> HttpResponse:
    """Move the sandbox's clock ahead and let mature what is due then."""
    if not test_clock.is_on():
        raise Http404
    try:
        matured = test_clock.advance(int(request.POST.get("days", "")))
    except ValueError:
        messages.error(request, f"Move the clock by 1 to {test_clock.MOST_DAYS} days.")
    else:
        messages.success(
            request,
            f"It is {clock.now():%Y-%m-%d %H:%M} UTC now. "
            f"{matured.diamonds:,} diamonds of {matured.creators:,} creators matured.",
        )
    return redirect("console:index")


def _books() -> dict[str, object]:
    """Return what the check of the books found, at most a minute old."""
    known = cache.get(_CHECK_KEY)
    if known is None:
        known = _check_books()
        cache.set(_CHECK_KEY, known, CHECK_LIFETIME_SECONDS)
    return known  # type: ignore[no-any-return]


def _check_books() -> dict[str, object]:
    result: dict[str, object] = {"at": clock.now(), "checks": len(CHECKS)}
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{CHECK_SECONDS}s'")
        try:
            findings = run_checks()
        except OperationalError:
            return result | {"is_unfinished": True}
        finally:
            cursor.execute("RESET statement_timeout")
    return result | {
        "is_sound": not findings,
        "table": console_views.findings_table(findings),
        "found": len(findings),
    }


def _orders_by_status() -> dict[str, int]:
    rows = Order.objects.order_by().values_list("status").annotate(count=Count("pk"))
    counted = dict(rows)
    return {status.value: counted.get(status.value, 0) for status in Status}


def _holder(public: str) -> Holder:
    try:
        return get_holder(HolderId(parse_public_id("usr", public)))
    except (BadId, UnknownHolder) as error:
        raise Http404 from error


def _payout(public: str) -> Payout:
    try:
        number = PayoutId(parse_public_id("pay", public))
    except BadId as error:
        raise Http404 from error
    found = Payout.objects.filter(pk=number).select_related("destination").first()
    if found is None:
        raise Http404
    return found


def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    search_page = format_html('<a href="{}">Find a person</a>', reverse("console:search"))
    shell = admin.site.each_context(request)
    return render(request, template, {**shell, "search_page": search_page, **context})


urlpatterns = [
    path("", allowed("payouts.view_payout", index), name="index"),
    path("search/", allowed("people.view_holder", search), name="search"),
    path("holders/<str:public>/", allowed("people.view_holder", holder), name="holder"),
    path("payout/<str:public>/", allowed("payouts.view_payout", payout), name="payout"),
    path(
        "payout/<str:public>/release/",
        allowed("payouts.change_payout", release_payout),
        name="release_payout",
    ),
    path("clock/", allowed("payouts.change_payout", move_clock), name="clock"),
]
