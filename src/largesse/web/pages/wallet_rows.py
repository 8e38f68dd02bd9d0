"""How an entry of the coin history reads, on the page and in the export.

Owns the rows and the safe form of a CSV cell. Must not have words of its own for what happened: the
ledger's are what the console reads too. Invariant: no cell of the export can be a formula, and a
negative number stays a number.

Source of the cell rule: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.urls import reverse

from largesse.adapters.postgres.reading import Entry
from largesse.adapters.postgres.telling import tell_entries
from largesse.catalog.models import Gift
from largesse.catalog.selectors import gifts_by_code
from largesse.ledger.accounts import Account
from largesse.ledger.journals import Event
from largesse.money.amounts import Amount
from largesse.money.ids import BadId, HolderId, OrderId, parse_public_id
from largesse.recharge.selectors import prices_of
from largesse.web.pages.costs import GiftCost, cost_of_coins
from largesse.web.pages.statement_words import Tellings, event_title, reader_speech, why

_COIN_ACCOUNTS = (Account.FAN_PAID.code, Account.FAN_BONUS.code, Account.FAN_DEBT.code)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


_ICONS = {
    Event.RECHARGE: "card",
    Event.BONUS: "gift",
    Event.GIFT: "gift",
    Event.REFUND: "refresh",
    Event.DEBT_REPAID: "check",
    Event.EXPIRY: "clock",
}


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids of some entries stand for, and what is known about each of them."""

    gifts: Mapping[int, Gift]
    prices: Mapping[OrderId, Amount]
    told: Tellings

    @classmethod
    def of(cls, holder: HolderId, entries: Sequence[Entry]) -> Names:
        """Look up everything that the entries name, in a number of queries that does not grow."""
        orders = [found for e in entries if (found := _order_of(e)) is not None]
        return cls(gifts_by_code(), prices_of(holder, orders), tell_entries(entries))


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
    cost: GiftCost | None


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
        link=_link(entry, order),
        art=gift.art if gift else "",
        cost=_cost(entry, names),
    )


def _cost(entry: Entry, names: Names) -> GiftCost | None:
    """Return what a gift really cost; other entries have a price or none."""
    if entry.event != Event.GIFT.value:
        return None
    told = names.told[entry.bucket, entry.seq]
    coins = {change.account: -change.change for change in entry.changes}
    return cost_of_coins(sum(coins.values()), coins.get(Account.FAN_BONUS.code, 0), told.cost)


def _link(entry: Entry, order: OrderId | None) -> str:
    """Return where an entry leads: a recharge to its order, a gift to its receipt."""
    if order is not None:
        return reverse("store:order", args=[entry.reference])
    return reverse("receipts:show", args=[entry.reference]) if entry.event == "gift" else ""


def _words(entry: Entry, names: Names) -> tuple[str, str, str]:
    """Return title, note and icon of an entry."""
    told = names.told[entry.bucket, entry.seq]
    change = next(change for change in entry.changes if change.account in _COIN_ACCOUNTS)
    return (
        told.gift or event_title(told.event),
        why(told, change, reader_speech()),
        _ICONS.get(told.event, "info"),
    )


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
    "cost",
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
    """Return an entry as a CSV line; price and a gift's cost are in major units."""
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
            _cost_cell(_cost(entry, names)),
        ]
    )


def _cost_cell(cost: GiftCost | None) -> str:
    """Return what a gift really cost: 4.12 USD, or 4.12 USD + 300 JPY where two lots paid."""
    amounts = cost.cost if cost else ()
    return " + ".join(f"{_major(one)} {one.asset.code}" for one in amounts)


def _major(amount: Amount) -> str:
    """Return an amount in major units with a point and no separators: 9.99."""
    exponent = amount.asset.exponent
    if not exponent:
        return str(amount.minor)
    digits = str(amount.minor).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}"
