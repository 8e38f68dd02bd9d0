"""Receipts: a posting in plain words, its proof checked step by step, and the files to keep.

Owns the pages of one's own receipts, and the log's public key. Must not decide whether a proof
holds: the ledger's pure verifier does. Invariant: a receipt is shown to its fan or its creator,
each their own side, and what is another's looks like what does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from largesse.adapters import clock, receipt_key
from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.proofs import (
    Altered,
    NotSealed,
    Proved,
    UnknownPosting,
    find_place,
)
from largesse.adapters.postgres.provenance import GiftTrace, trace_gift
from largesse.adapters.receipts import services
from largesse.ledger.checkpoints import Checkpoint
from largesse.ledger.journals import Event
from largesse.ledger.merkle import BadProof
from largesse.ledger.receipts import CREATOR, FAN, Receipt
from largesse.money.ids import HolderId
from largesse.web.pages.costs import cost_of_gift, source_documents, sources_of
from largesse.web.pages.creators import signed_in
from largesse.web.pages.receipt_words import Fact, facts_of, title_of

app_name = "receipts"

_MOST_STEPS = 3
"""Steps of sealing that a page may wait for; a longer backlog is the job's."""


@dataclass(frozen=True, slots=True)
class Own:
    """A receipt of the reader's side, with the posting that it proves."""

    receipt: Receipt
    proved: Proved


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page says of a receipt: `checkpoint` where it holds, or the `fault` that it has."""

    name: str
    title: str
    at: datetime
    facts: tuple[Fact, ...]
    checkpoint: Checkpoint | None
    receipt: Receipt
    fault: str


@login_required
@never_cache
@require_GET
def show(request: HttpRequest, name: str) -> HttpResponse:
    """Show a receipt in words, and verify it here and now as anybody else could."""
    try:
        own = _own(request, name)
    except NotSealed:
        return render(request, "receipts/waiting.html", {"name": name})
    except Altered:
        return render(request, "receipts/altered.html", {"name": name}, status=409)
    key = services.verifier(receipt_key.load(settings.CONFIG))
    checkpoint, fault = None, ""
    try:
        checkpoint = own.receipt.verify(key)
    except BadProof as bad:
        fault = bad.message
    entry, holders = own.proved.entry, own.proved.entry.holders
    shown = Shown(
        name=name,
        title=title_of(entry.document, own.receipt.side),
        at=datetime.fromisoformat(str(entry.document["at"])),
        facts=facts_of(entry.document, holders, own.receipt.side),
        checkpoint=checkpoint,
        receipt=own.receipt,
        fault=fault,
    )
    trace = _trace(own, name)
    context = {
        "view": shown,
        "published_key": key.text,
        "cost": cost_of_gift(trace) if trace else None,
        "sources": sources_of(trace) if trace else (),
    }
    return render(request, "receipts/show.html", context)


@login_required
@never_cache
@require_GET
def cost(request: HttpRequest, name: str) -> JsonResponse:
    """Send what the reader's own gift really cost, and which of their lots paid for it."""
    try:
        trace = _trace(_own(request, name), name)
    except (NotSealed, Altered) as error:
        raise Http404 from error
    if trace is None:
        raise Http404
    lots = source_documents(sources_of(trace))
    return JsonResponse({"id": name, **cost_of_gift(trace).document, "lots": lots})


@login_required
@never_cache
@require_GET
def receipt_file(request: HttpRequest, name: str) -> HttpResponse:
    """Send the receipt as the file that `largesse receipt verify` reads."""
    return _file(_download(request, name).text, f"{name}.json", "application/json")


@login_required
@never_cache
@require_GET
def checkpoint_file(request: HttpRequest, name: str) -> HttpResponse:
    """Send the signed checkpoint that the receipt is proved at."""
    return _file(_download(request, name).note, "checkpoint.txt", "text/plain; charset=utf-8")


@require_GET
def key_file(request: HttpRequest) -> HttpResponse:
    """Send the log's public key to anybody: it is what a receipt is trusted by."""
    key = services.verifier(receipt_key.load(settings.CONFIG))
    return _file(f"{key.text}\n", "receipt-key.txt", "text/plain; charset=utf-8")


def _trace(own: Own, name: str) -> GiftTrace | None:
    """Return where the coins of the reader's own gift came from; other receipts have no such."""
    if own.receipt.side != FAN or own.proved.entry.document["kind"] != Event.GIFT.value:
        return None
    return trace_gift(*run(find_place(name)))


def _download(request: HttpRequest, name: str) -> Receipt:
    try:
        return _own(request, name).receipt
    except (NotSealed, Altered) as error:
        raise Http404 from error


def _own(request: HttpRequest, name: str) -> Own:
    """Return the reader's receipt; Http404 also for another's. Raises NotSealed and Altered."""
    holder = signed_in(request).holder_key
    key = receipt_key.load(settings.CONFIG)
    try:
        try:
            proved = services.issue(name, key, clock.now(), most_steps=_MOST_STEPS)
        except (NotSealed, Altered):
            if holder not in services.parties(name, key).values():
                raise Http404 from None
            raise
    except UnknownPosting as error:
        raise Http404 from error
    side = _side_of(proved, holder, request.GET.get("side", ""))
    return Own(proved.receipt(side), proved)


def _side_of(proved: Proved, holder: HolderId, asked: str) -> str:
    """Return the reader's side; whoever is on both may ask for the creator's."""
    mine = [side for side, owner in proved.entry.holders.items() if owner == holder]
    if not mine:
        raise Http404
    return CREATOR if asked == CREATOR and CREATOR in mine else mine[0]


def _file(text: str, name: str, content_type: str) -> HttpResponse:
    return HttpResponse(
        text,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


urlpatterns = [
    path("key.txt", key_file, name="key"),
    path("<str:name>/", show, name="show"),
    path("<str:name>/cost.json", cost, name="cost"),
    path("<str:name>/receipt.json", receipt_file, name="file"),
    path("<str:name>/checkpoint.txt", checkpoint_file, name="checkpoint"),
]
