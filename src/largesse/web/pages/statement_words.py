"""How the entries of a statement read, for people and in files.

Owns the reader's language and zone for the ledger's own words (`ledger.sentences`), and the rows of
the CSV. Must not read anything, and has no words of its own for events and accounts: a person and
whoever supports them read the same. Invariant: a cell of a file is never run as a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext, ngettext

from largesse.adapters.postgres.reading import Change, Entry
from largesse.ledger.accounts import ACCOUNTS
from largesse.ledger.explain import Speech, Told, place, sentence
from largesse.ledger.journals import Event
from largesse.ledger.sentences import ACCOUNT_NAMES, EVENT_TITLES

Tellings = Mapping[tuple[int, int], Told]
"""What is known about entries, by bucket and sequence (`telling.tell`)."""

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
    """One change of one account, as a row of a page. Numbers are whole coins or diamonds.

    `note` says why, `place` where the journal stands and `follows_from` where those stand that it
    goes back to.
    """

    at: datetime
    event: str
    note: str
    reference: str
    account: str
    change: int
    balance_after: int
    is_diamonds: bool
    place: str
    follows_from: tuple[str, ...]


def event_title(event: Event) -> str:
    """Return what an event is called in the reader's language."""
    return gettext(EVENT_TITLES[event])


def account_name(code: str) -> str:
    """Return what an account is called in the reader's language."""
    return gettext(ACCOUNT_NAMES[ACCOUNTS[code]])


def reader_speech() -> Speech:
    """Return how to speak to whoever reads the page: their language, and the page's zone."""
    return Speech(timezone.get_current_timezone(), gettext, ngettext)


def why(told: Told, change: Change, speech: Speech) -> str:
    """Return why an entry moved an account, in the words that everybody reads."""
    return sentence(told, ACCOUNTS[change.account], change.asset, speech)


def lines(entries: Iterable[Entry], tellings: Tellings) -> Iterator[Line]:
    """Yield a row for each change of each entry, in their order."""
    speech = reader_speech()
    for entry in entries:
        told = tellings[entry.bucket, entry.seq]
        for change in entry.changes:
            yield Line(
                at=entry.at,
                event=event_title(told.event),
                note=why(told, change, speech),
                reference=told.reference,
                account=account_name(change.account),
                change=change.change,
                balance_after=change.balance_after,
                is_diamonds=change.asset == "DIAMOND",
                place=place(entry.bucket, entry.seq),
                follows_from=told.sources,
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
