"""The balance: coins, what they cost, and everything that moved them.

Owns the way from Settings to Balance to Recharge, the history and its export. Must not compute
balances: the ledger's reads do. Invariant: a person sees their own entries only, and every line
carries the balance after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.reading import Cursor, Page, balances, statement
from largesse.ledger.lots import SpendOrder
from largesse.ledger.ports import WalletState
from largesse.ledger.provenance import cost_of
from largesse.money.ids import HolderId
from largesse.people.models import User
from largesse.recharge.models import Order
from largesse.recharge.rules import OPEN_STATUSES
from largesse.recharge.selectors import orders_of
from largesse.web.pages.wallet_rows import EXPORT_HEADER, Names, export_row, history_rows
from largesse.web.templatetags.money import show_minor

app_name = "wallet"

RECENT = 8
PAGE = 50
EXPORT_PAGE = 1000
_SALT = "wallet.history"


@login_required
@never_cache
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show the balance, the way to recharge, orders under way and the last entries."""
    holder = _holder(request)
    wallet = DjangoBook().wallet(holder)
    page = _coin_page(holder, RECENT, None)
    context = {
        "wallet": wallet,
        "total": wallet.paid.balance + wallet.bonus.balance,
        "cost": real_money_behind(holder, wallet),
        "is_paid_first": wallet.order is SpendOrder.PAID_FIRST,
        "open_orders": _open_orders(holder),
        "rows": history_rows(page.entries, Names.of(holder, page.entries)),
        "has_more": page.next is not None,
    }
    return render(request, "wallet/index.html", context)


@login_required
@never_cache
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    """Show every entry, newest first, fifty to a page."""
    holder = _holder(request)
    before = _read_cursor(holder, request.GET.get("before", ""))
    page = _coin_page(holder, PAGE, before)
    context = {
        "rows": history_rows(page.entries, Names.of(holder, page.entries)),
        "older": _write_cursor(holder, page.next) if page.next else "",
        "is_first": before is None,
    }
    return render(request, "wallet/history.html", context)


@login_required
@never_cache
@require_GET
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Send the whole history as CSV: UTC times, whole coins, balances after each entry."""
    holder = _holder(request)
    return StreamingHttpResponse(
        _export_lines(holder),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="largesse-coins.csv"'},
    )


def real_money_behind(holder: HolderId, wallet: WalletState) -> list[str]:
    """Return what the unspent paid coins cost, one amount per currency, as words."""
    cost = cost_of(wallet.paid.unspent(), DjangoBook().lots(holder))
    return [show_minor(minor, currency) for currency, minor in sorted(cost.items()) if minor]


def _open_orders(holder: HolderId) -> list[Order]:
    orders = orders_of(holder, 10)
    return [order for order in orders if order.state in OPEN_STATUSES and order.checkout_id]


def _coin_page(holder: HolderId, limit: int, before: Cursor | None) -> Page:
    """Return a page of what moved coins; diamonds have their own page in the studio."""
    start = Cursor(
        creator_seq=0,
        balances=tuple((code, unit, value) for (code, unit), value in balances(holder).items()),
    )
    return statement(holder, limit, before or start)


def _export_lines(holder: HolderId) -> Iterator[str]:
    yield EXPORT_HEADER
    cursor: Cursor | None = None
    while True:
        page = _coin_page(holder, EXPORT_PAGE, cursor)
        names = Names.of(holder, page.entries)
        for entry in page.entries:
            yield export_row(entry, names)
        cursor = page.next
        if cursor is None:
            return


def _write_cursor(holder: HolderId, cursor: Cursor) -> str:
    return signing.dumps(asdict(cursor), key=settings.SECRET_KEY, salt=f"{_SALT}.{holder}")


def _read_cursor(holder: HolderId, text: str) -> Cursor | None:
    if not text:
        return None
    try:
        facts = signing.loads(text, key=settings.SECRET_KEY, salt=f"{_SALT}.{holder}")
    except signing.BadSignature as error:
        raise Http404 from error
    facts["balances"] = tuple(tuple(balance) for balance in facts["balances"])
    return Cursor(**facts)


def _holder(request: HttpRequest) -> HolderId:
    assert isinstance(request.user, User)
    return request.user.holder_key


urlpatterns = [
    path("", index, name="index"),
    path("history/", history, name="history"),
    path("history.csv", export, name="export"),
]
