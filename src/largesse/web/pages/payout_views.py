"""What the payout pages say, made of payouts' facts.

Owns the words for a payout's state and steps, and the reading of the form's numbers. Must not read
the clock or post. Invariant: every state says why and what next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from largesse.money.amounts import Amount, BadAmount
from largesse.payouts.models import Destination, Payout, PayoutEvent
from largesse.payouts.rules import OPEN, Advice, Quote, Status, terms_for

POLL_SECONDS = 3
_MOST_DIGITS = 18

NAMES: dict[str, str | Promise] = {
    Status.REQUESTED.value: gettext_lazy("Requested"),
    Status.UNKNOWN.value: gettext_lazy("Waiting for the bank's answer"),
    Status.SENT.value: gettext_lazy("Sent to the bank"),
    Status.SETTLED.value: gettext_lazy("Arrived"),
    Status.RETURNED.value: gettext_lazy("Came back"),
}
PILLS = {
    Status.REQUESTED.value: "info",
    Status.UNKNOWN.value: "warn",
    Status.SENT.value: "info",
    Status.SETTLED.value: "good",
    Status.RETURNED.value: "bad",
}
_NOTABLE = {
    "ignored": gettext_lazy("An answer about another transfer was ignored"),
    "released": gettext_lazy("A person looked at it"),
}


@dataclass(frozen=True, slots=True)
class PayoutTerms:
    """The terms of the currency as amounts."""

    minimum: Amount
    fee: Amount


def terms(offer: Quote) -> PayoutTerms:
    """Return minimum and fee in the currency of an offer."""
    found = terms_for(offer.gross.asset.code)
    money = offer.gross.asset
    return PayoutTerms(Amount(found.minimum_minor, money), Amount(found.fee_minor, money))


def asked_diamonds(text: str, available: int) -> int:
    """Return how many diamonds a page is asked to price: all available unless a number is given."""
    number = _number(text)
    return available if number is None else min(number, available)


def posted_diamonds(text: str) -> int:
    """Return the diamonds that a form asks for; raises BadAmount for anything but a number."""
    number = _number(text)
    if number is None:
        raise BadAmount(_("Enter how many diamonds to cash out, as a whole number."))
    return number


def _number(text: str) -> int | None:
    digits = text.strip()
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    return int(digits) if is_number else None


def chosen(public: str, destinations: Sequence[Destination]) -> Destination | None:
    """Return the destination that an address names, or the newest."""
    named = [destination for destination in destinations if destination.public_id == public]
    return next(iter([*named, *destinations]), None)


@dataclass(frozen=True, slots=True)
class Row:
    """A payout as lists and its own page show it."""

    payout: Payout
    name: str
    pill: str
    advice: Advice


def row(payout: Payout) -> Row:
    """Return a payout with the words for its state."""
    advice = payout.advice
    words = Advice(_(advice.why), _(advice.next_step))
    if payout.parked:
        return Row(payout, _("Being looked at"), "warn", words)
    return Row(payout, str(NAMES[payout.status]), PILLS[payout.status], words)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline; `state` is done, now, next or failed."""

    title: str
    state: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One payout's page. `seen` names what the reader has, so that the page asks for news only."""

    row: Row
    steps: tuple[Step, ...]
    is_open: bool
    seen: str
    poll_seconds: int = POLL_SECONDS


def detail(payout: Payout) -> Detail:
    """Return a payout's page: the steps it took, and those still ahead."""
    events = list(payout.events.all())
    steps = [_step(event) for event in events]
    is_open = payout.status in OPEN
    if is_open:
        last = steps[-1]
        steps[-1] = Step(last.title, "now", last.at)
        if payout.status != Status.SENT:
            steps.append(Step(str(NAMES[Status.SENT]), "next"))
        steps.append(Step(str(NAMES[Status.SETTLED]), "next"))
    return Detail(row(payout), tuple(steps), is_open, str(len(events)))


def _step(event: PayoutEvent) -> Step:
    title = _NOTABLE.get(event.answer) or NAMES.get(event.status, event.status)
    state = "failed" if event.status == Status.RETURNED else "done"
    return Step(str(title), state, event.at)
