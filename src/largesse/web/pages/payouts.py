"""Payouts: where the money goes, how much it would be, the request, and what became of it.

Owns a creator's path from diamonds to money. Must not decide terms or states: `payouts` does.
Invariant: what is shown before the button is what the request holds, one key is one payout, and an
account number is taken only from somebody who has just proved who they are.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from urllib.parse import urlencode

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from largesse.adapters import clock
from largesse.adapters.postgres.book import DjangoBook
from largesse.earnings.selectors import current_policy
from largesse.ledger.accounts import Account
from largesse.ledger.errors import StaleKey
from largesse.money.errors import DomainError, ProviderError, TransientError
from largesse.money.ids import (
    BadId,
    HolderId,
    PayoutId,
    id_from_bytes,
    keyed_id,
    parse_public_id,
    require_uuid7,
)
from largesse.payouts import rules, selectors, services
from largesse.payouts.errors import BadDestination, UnknownDestination, UnknownPayout
from largesse.payouts.models import DestinationKind, Payout
from largesse.web import providers
from largesse.web.jobs.earnings import new_key
from largesse.web.jobs.payouts import destination_seal
from largesse.web.pages import payout_views
from largesse.web.pages.creators import CreatorView, creator_only

app_name = "payouts"


class DestinationForm(forms.Form):
    """Takes an account number; the rules of payouts judge it."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind of account"), choices=DestinationKind.choices)
    account = forms.CharField(
        label=gettext_lazy("Account number"),
        max_length=60,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        kinds = [(DestinationKind.BANK.value, _("Bank account (IBAN)"))]
        if settings.CONFIG.sandbox:
            kinds.append((DestinationKind.SANDBOX.value, _("Sandbox account")))
            self.fields["account"].help_text = _(
                "Sandbox: any name settles in three seconds. One that ends in RETURN comes back, "
                "one that ends in SLOW takes two minutes."
            )
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = kinds


@never_cache
@require_GET
@creator_only
def index(request: HttpRequest, creator: HolderId) -> HttpResponse:
    """Show destinations, the offer for the diamonds asked for, and all payouts."""
    book, now = DjangoBook(), clock.now()
    available = book.balance(creator, Account.CREATOR_AVAILABLE)
    destinations = selectors.destinations_of(creator)
    asked = payout_views.asked_diamonds(request.GET.get("diamonds", ""), available)
    offer = rules.quote(asked, available, current_policy(now))
    obstacles = rules.preflight(
        offer,
        available=available,
        has_destination=bool(destinations),
        frozen=book.wallet(creator).frozen,
    )
    context = {
        "available": available,
        "asked": asked,
        "offer": offer,
        "terms": payout_views.terms(offer),
        "advice": rules.first_advice(obstacles),
        "obstacles": [obstacle.value for obstacle in obstacles],
        "destinations": destinations,
        "chosen": payout_views.chosen(request.GET.get("destination", ""), destinations),
        "payouts": [payout_views.row(payout) for payout in selectors.payouts_of(creator)],
        "key": str(new_key()),
        "policy": current_policy(now),
    }
    return render(request, "payouts/index.html", context)


@require_POST
@creator_only
def request_one(request: HttpRequest, creator: HolderId) -> HttpResponse:
    """Hold the diamonds and send the payout; the sweep goes on where this was cut."""
    try:
        payout = services.request_payout(
            book=DjangoBook(),
            policy=current_policy(clock.now()),
            holder=creator,
            destination_id=parse_public_id("dst", request.POST.get("destination", "")),
            diamonds=payout_views.posted_diamonds(request.POST.get("diamonds", "")),
            payout_id=PayoutId(id_from_bytes(secrets.token_bytes(8))),
            # A payout has its key alone: mixing the person in keeps two people's keys apart.
            key=keyed_id(creator, require_uuid7(request.POST.get("key", ""))),
            now=clock.now(),
        )
    except StaleKey:
        # The key is the form's own; people are told about the page that they see.
        messages.warning(
            request, _("This page was open for more than a day. Check the sum, then ask again.")
        )
        return redirect("payouts:index")
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("payouts:index")
    with suppress(ProviderError, TransientError):
        services.send_payout(
            payout.payout_id,
            book=DjangoBook(),
            transfers=providers.transfers(),
            seal=destination_seal(),
            now=clock.now(),
        )
    return redirect("payouts:show", payout.public_id)


@never_cache
@require_GET
@creator_only
def show(request: HttpRequest, creator: HolderId, payout: str) -> HttpResponse:
    """Show one payout: its sum, why it stands where it does, and its timeline."""
    found = _payout(creator, payout)
    return render(request, "payouts/show.html", {"view": payout_views.detail(found)})


@never_cache
@require_GET
@creator_only
def watch(request: HttpRequest, creator: HolderId, payout: str) -> HttpResponse:
    """Answer the payout page's own question: the new state, or 204 when nothing has changed."""
    view = payout_views.detail(_payout(creator, payout))
    if request.GET.get("seen") == view.seen:
        return HttpResponse(status=204)
    return render(request, "payouts/_payout.html", {"view": view})


@never_cache
@require_http_methods(["GET", "POST"])
@creator_only
def add_destination(request: HttpRequest, creator: HolderId) -> HttpResponseBase:
    """Take a destination from somebody who has just proved who they are.

    A form that was sent too late is not kept while the person proves it again: an account number
    must not lie in a session. They are shown the empty form instead.
    """
    if request.method == "POST" and is_reauthentication_required(request, app=""):
        messages.warning(request, _("Please confirm that it is you, then enter the account again."))
        return redirect("payouts:add_destination")
    guarded: CreatorView[[]] = reauthentication_required(_destination_form)
    return guarded(request, creator)


def _destination_form(request: HttpRequest, creator: HolderId) -> HttpResponse:
    form = DestinationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            destination = services.add_destination(
                seal=destination_seal(),
                holder=creator,
                kind=DestinationKind(form.cleaned_data["kind"]),
                account=form.cleaned_data["account"],
                destination_id=id_from_bytes(secrets.token_bytes(8)),
                now=clock.now(),
            )
        except BadDestination as error:
            form.add_error("account", error.message)
        else:
            messages.success(request, _("The account is saved."))
            query = urlencode({"destination": destination.public_id})
            return redirect(f"{reverse('payouts:index')}?{query}")
    status = 400 if form.errors else 200
    return render(request, "payouts/destination.html", {"form": form}, status=status)


@require_POST
@creator_only
def remove_destination(request: HttpRequest, creator: HolderId) -> HttpResponse:
    """Forget a destination for new payouts."""
    try:
        number = parse_public_id("dst", request.POST.get("destination", ""))
        services.remove_destination(holder=creator, destination_id=number, now=clock.now())
    except (BadId, UnknownDestination) as error:
        raise Http404 from error
    messages.success(request, _("The account is removed. Payouts under way still go there."))
    return redirect("payouts:index")


def _payout(creator: HolderId, public: str) -> Payout:
    try:
        return selectors.payout_of(creator, PayoutId(parse_public_id("pay", public)))
    except (BadId, UnknownPayout) as error:
        raise Http404 from error


urlpatterns = [
    path("", index, name="index"),
    path("request/", request_one, name="request"),
    path("destinations/add/", add_destination, name="add_destination"),
    path("destinations/remove/", remove_destination, name="remove_destination"),
    path("<str:payout>/", show, name="show"),
    path("<str:payout>/watch/", watch, name="watch"),
]
