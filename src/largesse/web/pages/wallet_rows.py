"""How an entry of the coin history reads, on the page and in the export.

Owns the words for events and the safe form of a CSV cell. Must not query the ledger. Invariant: no
cell of the export can be a formula, and a negative number stays a number.

Source of the cell rule: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from largesse.adapters.postgres.reading import Entry
from largesse.catalog.models import Gift
from largesse.catalog.selectors import gifts_by_code
from largesse.ledger.accounts import Account
from largesse.money.amounts import Amount
from largesse.money.ids import BadId, HolderId, OrderId, parse_public_id
from largesse.people.selectors import display_names
from largesse.recharge.selectors import prices_of

_COIN_ACCOUNTS = (Account.FAN_PAID.code, Account.FAN_BONUS.code, Account.FAN_DEBT.code)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids of some entries stand for."""

    gifts: Mapping[int, Gift]
    people: Mapping[HolderId, str]
    prices: Mapping[OrderId, Amount]

    @classmethod
    def of(cls, holder: HolderId, entries: Sequence[Entry]) -> Names:
        """Look up everything that the entries name, in three queries."""
        creators = {HolderId(e.detail["creator"]) for e in entries if e.event == "gift"}
        orders = [found for e in entries if (found := _order_of(e)) is not None]
        return cls(gifts_by_code(), display_names(creators), prices_of(holder, orders))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the history. `coins` is signed; `balance` is what was left, debt subtracted."""

    at: datetime
    icon: str
    title: str
    note: str
    coins: int
    balance: int
    money: Amount | None
    link: str
    art: str


def history_rows(entries: Iterable[Entry], names: Names) -> list[Row]:
    """Return the lines of a page of the history, in the entries' order."""
    return [_row(entry, names) for entry in entries]


def _row(entry: Entry, names: Names) -> Row:
    title, note, icon = _words(entry, names)
    order = _order_of(entry)
    gift = names.gifts.get(entry.detail.get("gift", 0)) if entry.event == "gift" else None
    changes = [change for change in entry.changes if change.account in _COIN_ACCOUNTS]
    return Row(
        at=entry.at,
        icon=icon,
        title=title,
        note=note,
        coins=sum(change.change for change in changes),
        balance=sum(change.balance_after for change in changes),
        money=names.prices.get(order) if order is not None else None,
        link=reverse("store:order", args=[entry.reference]) if order is not None else "",
        art=gift.art if gift else "",
    )


def _words(entry: Entry, names: Names) -> tuple[str, str, str]:
    """Return title, note and icon of an entry."""
    match entry.event:
        case "recharge":
            return _("Recharge"), _("Coins bought"), "card"
        case "bonus":
            return _("Bonus coins"), _("Granted by a promotion"), "gift"
        case "gift":
            gift = names.gifts.get(entry.detail["gift"])
            number = entry.detail["count"]
            name = gift.name if gift else _("Gift")
            to = names.people.get(HolderId(entry.detail["creator"]), _("a creator"))
            title = f"{name} × {number}" if number > 1 else name
            return title, _("Gift to %(name)s") % {"name": to}, "gift"
        case "refund":
            return _("Refund"), _("Money given back, coins taken back"), "refresh"
        case "debt_repaid":
            return _("Debt repaid"), _("New coins set against coins owed"), "check"
        case "expiry":
            return _("Bonus coins expired"), "", "clock"
        case _:
            return entry.event.replace("_", " ").capitalize(), "", "info"


def _order_of(entry: Entry) -> OrderId | None:
    """Return the order that an entry belongs to; gifts and others have none."""
    if entry.event not in ("recharge", "refund"):
        return None
    try:
        return OrderId(parse_public_id("rch", entry.reference))
    except BadId:
        return None


# --- Export --------------------------------------------------------------------------------------

_COLUMNS = (
    "at",
    "event",
    "title",
    "note",
    "reference",
    "paid_change",
    "paid_balance",
    "bonus_change",
    "bonus_balance",
    "debt_change",
    "debt_balance",
    "price",
    "currency",
)


def safe_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: a quote goes before what would be."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def csv_line(cells: Sequence[str | int]) -> str:
    """Return one CSV line: whole numbers as they are, text made safe (RFC 4180)."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(
        [cell if isinstance(cell, int) else safe_cell(cell) for cell in cells]
    )
    return line.getvalue()


EXPORT_HEADER = csv_line(_COLUMNS)


def export_row(entry: Entry, names: Names) -> str:
    """Return an entry as a CSV line; the price is in major units of its currency."""
    title, note, _icon = _words(entry, names)
    order = _order_of(entry)
    price = names.prices.get(order) if order is not None else None
    numbers: list[str | int] = []
    for account in _COIN_ACCOUNTS:
        change = next((c for c in entry.changes if c.account == account), None)
        numbers += [change.change, change.balance_after] if change else ["", ""]
    return csv_line(
        [
            entry.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            entry.event,
            title,
            note,
            entry.reference,
            *numbers,
            _major(price) if price else "",
            price.asset.code if price else "",
        ]
    )


def _major(amount: Amount) -> str:
    """Return an amount in major units with a point and no separators: 9.99."""
    exponent = amount.asset.exponent
    if not exponent:
        return str(amount.minor)
    digits = str(amount.minor).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}"
