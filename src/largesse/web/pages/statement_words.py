"""What the entries of a statement are called, for people and in files.

Owns the words for events and accounts, and the rows of the CSV. Must not read anything. Invariant:
every event and every personal account has words; a cell of a file is never run as a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from largesse.adapters.postgres.reading import Change, Entry
from largesse.ledger.journals import Event

EVENTS: dict[str, str | Promise] = {
    Event.RECHARGE.value: _("Coins bought"),
    Event.BONUS.value: _("Bonus coins received"),
    Event.GIFT.value: _("Gift sent"),
    Event.EARNING.value: _("Gifts received"),
    Event.MATURITY.value: _("Hold ended, diamonds available"),
    Event.PAYOUT_REQUESTED.value: _("Payout requested, diamonds set aside"),
    Event.PAYOUT_SETTLED.value: _("Payout arrived"),
    Event.PAYOUT_RETURNED.value: _("Payout came back, diamonds available again"),
    Event.REFUND.value: _("Recharge refunded, coins taken back"),
    Event.DEBT_REPAID.value: _("Owed coins repaid"),
    Event.EXPIRY.value: _("Bonus coins expired"),
    Event.PROVIDER_SETTLEMENT.value: _("Payment provider settled"),
    Event.DAILY_CLOSE.value: _("Day closed"),
}

ACCOUNTS: dict[str, str | Promise] = {
    "fan_paid": _("Paid coins"),
    "fan_bonus": _("Bonus coins"),
    "fan_debt": _("Owed coins"),
    "creator_pending": _("Pending diamonds"),
    "creator_available": _("Available diamonds"),
    "creator_held": _("Diamonds set aside for payout"),
}

CSV_HEAD = (
    "at",
    "event",
    "reference",
    "account",
    "asset",
    "change",
    "balance_after",
    "gifts",
    "share_policy",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Line:
    """One change of one account, as a row of a page. Numbers are whole coins or diamonds."""

    at: datetime
    event: str | Promise
    note: str
    reference: str
    account: str | Promise
    change: int
    balance_after: int
    is_diamonds: bool


def lines(entries: Iterable[Entry]) -> Iterator[Line]:
    """Yield a row for each change of each entry, in their order."""
    for entry in entries:
        for change in entry.changes:
            yield Line(
                at=entry.at,
                event=EVENTS.get(entry.event, entry.event),
                note=_note(entry),
                reference=entry.reference,
                account=ACCOUNTS.get(change.account, change.account),
                change=change.change,
                balance_after=change.balance_after,
                is_diamonds=change.asset == "DIAMOND",
            )


def csv_rows(entries: Iterable[Entry]) -> Iterator[list[str | int]]:
    """Yield the file's rows, head first; times in UTC (ISO 8601), numbers as plain numbers."""
    yield list(CSV_HEAD)
    for entry in entries:
        for change in entry.changes:
            yield _csv_row(entry, change)


def _csv_row(entry: Entry, change: Change) -> list[str | int]:
    return [
        entry.at.isoformat(),
        entry.event,
        plain_cell(entry.reference),
        change.account,
        change.asset,
        change.change,
        change.balance_after,
        int(entry.detail.get("gifts", 0)) or "",
        plain_cell(str(entry.detail.get("policy", ""))),
    ]


def plain_cell(text: str) -> str:
    """Return a text that spreadsheets show and never calculate (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _note(entry: Entry) -> str:
    """Return the small facts of an entry: policy version, reason."""
    facts = (entry.detail.get("policy"), entry.detail.get("reason"))
    return " · ".join(str(fact) for fact in facts if fact)
