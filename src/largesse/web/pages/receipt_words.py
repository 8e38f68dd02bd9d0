"""What a receipt says in plain words, made of its sealed entry.

Owns title and facts. Must not know proofs. Invariant: every fact is read from what was sealed;
names of people are only looked up for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from largesse.catalog.selectors import gifts_by_code
from largesse.ledger.canonical import Document
from largesse.ledger.journals import Event
from largesse.ledger.receipts import CREATOR, FAN
from largesse.money.ids import HolderId
from largesse.people.selectors import display_names
from largesse.web.templatetags.money import show_count, show_minor


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a receipt."""

    name: str
    value: str


def title_of(entry: Document, side: str) -> str:
    """Return what happened, as the reader would say it."""
    match entry["kind"]:
        case Event.GIFT.value:
            return _("You received a gift") if side == CREATOR else _("You gave a gift")
        case Event.RECHARGE.value:
            return _("You bought coins")
        case Event.PAYOUT_SETTLED.value:
            return _("Your payout arrived")
        case _other:
            return _("Your payout came back")


def facts_of(entry: Document, holders: Mapping[str, HolderId], side: str) -> tuple[Fact, ...]:
    """Return the lines of a receipt for one side."""
    is_gift = entry["kind"] == Event.GIFT.value
    return tuple(_gift(entry, holders, side) if is_gift else _journal(entry))


def _gift(entry: Any, holders: Mapping[str, HolderId], side: str) -> Iterator[Fact]:
    gift = gifts_by_code().get(entry["gift"])
    name = gift.name if gift else _("Gift")
    yield Fact(_("Gift"), f"{name} × {show_count(entry['count'])}")
    yield Fact(_("Coins"), show_count(entry["coins"]))
    if side == FAN:
        creator = holders[CREATOR]
        yield Fact(_("To"), display_names({creator}).get(creator, _("a creator")))


def _journal(entry: Any) -> Iterator[Fact]:
    for lot in entry["lots"]:
        yield Fact(_("Coins"), show_count(lot[2] - lot[1]))
        if lot[5]:
            yield Fact(_("Price"), show_minor(lot[3], lot[5]))
            yield Fact(_("Tax inside the price"), show_minor(lot[4], lot[5]))
    transfers: Sequence[Sequence[Any]] = entry["transfers"]
    for debit, credit, asset, amount in transfers:
        if asset == "DIAMOND":
            yield Fact(_("Diamonds"), show_count(amount))
        elif {debit, credit} == {"payout_clearing", "bank"}:
            yield Fact(_("Money"), show_minor(amount, asset))
        elif {debit, credit} == {"payout_clearing", "payout_fees"}:
            yield Fact(_("Fee"), show_minor(amount, asset))
