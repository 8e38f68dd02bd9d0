"""The books as an outsider reads them: hledger, beancount, CSV and JSON lines.

Owns the text of an export and the names that accounts have outside. Must not know where rows come
from, files or the clock. Invariant: amounts are exact, every transaction balances per asset, and
the two journals end with the stored balance of every account as an assertion, so that a tool that
is not ours proves that stored balances are the sums of their entries.

A balance of ours is credits minus debits. Plain-text accounting counts debits as positive, so every
sign is turned over once, here.

Sources: the manuals of hledger (journal format) and beancount (language syntax), RFC 4180.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

from largesse.ledger.accounts import ACCOUNTS, Account
from largesse.money import decimals
from largesse.money.assets import Asset, asset
from largesse.money.errors import DomainError
from largesse.money.ids import HolderId, public_id


class UnknownFormat(DomainError):
    """No export format has this name."""

    code = "unknown_format"


class Line(NamedTuple):
    """One transfer: account codes with their holders (0: the platform), in minor units."""

    debit: str
    debit_holder: HolderId
    credit: str
    credit_holder: HolderId
    asset: str
    minor: int


@dataclass(frozen=True, slots=True)
class Record:
    """One journal, one gift, or the gifts of one fan and day (`count` of them)."""

    bucket: int
    seq: int
    at: datetime
    event: str
    id: str
    reference: str
    lines: Sequence[Line]
    facts: Mapping[str, object] = field(default_factory=dict)
    count: int = 1


class Standing(NamedTuple):
    """An account and its stored balance (credits minus debits, minor units)."""

    bucket: int
    holder: HolderId
    code: str
    asset: str
    balance: int


class Span(NamedTuple):
    """The first and the last day on which anything was posted, in UTC."""

    first: date
    last: date


class Format(Protocol):
    """How an export is written: a head, one text a record, one a closing balance."""

    def head(self, span: Span, assets: Sequence[str]) -> str:
        """Return what stands first; `assets` are all that occur."""
        ...

    def opening(self, standing: Standing, span: Span) -> str:
        """Return the declaration of an account, or nothing."""
        ...

    def record(self, record: Record) -> str:
        """Return one event with all its transfers."""
        ...

    def closing(self, standings: Sequence[Standing], span: Span) -> Iterator[str]:
        """Yield the stored balances of some accounts, as assertions where the format has them."""
        ...


_NAMES: dict[Account, str] = {
    Account.FAN_PAID: "Liabilities:Fan:Paid",
    Account.FAN_BONUS: "Liabilities:Fan:Bonus",
    Account.FAN_DEBT: "Assets:Fan:Debt",
    Account.CREATOR_PENDING: "Liabilities:Creator:Pending",
    Account.CREATOR_AVAILABLE: "Liabilities:Creator:Available",
    Account.CREATOR_HELD: "Liabilities:Creator:Held",
    Account.ISSUED: "Equity:Coins:Issued",
    Account.GIFT_CLEARING: "Equity:Coins:GiftClearing",
    Account.REDEEMED: "Equity:Coins:Redeemed",
    Account.REVOKED: "Equity:Coins:Revoked",
    Account.EXPIRED: "Equity:Coins:Expired",
    Account.DIAMOND_ISSUED: "Equity:Diamonds:Issued",
    Account.DIAMOND_CASHED: "Equity:Diamonds:Cashed",
    Account.PROVIDER_CLEARING: "Assets:ProviderClearing",
    Account.BANK: "Assets:Bank",
    Account.PROVIDER_FEES: "Expenses:ProviderFees",
    Account.DEFERRED_REVENUE: "Liabilities:DeferredRevenue",
    Account.TAX_PAYABLE: "Liabilities:TaxPayable",
    Account.REVENUE: "Income:Gifts",
    Account.CREATOR_COST: "Expenses:CreatorShare",
    Account.CREATOR_PAYABLE: "Liabilities:CreatorPayable",
    Account.PAYOUT_CLEARING: "Assets:PayoutClearing",
    Account.PAYOUT_FEES: "Income:PayoutFees",
    Account.LOSS: "Expenses:Loss",
}


@lru_cache(maxsize=100_000)
def account_name(code: str, holder: HolderId, bucket: int) -> str:
    """Return an account's name outside, such as `Liabilities:Fan:Paid:Usr-0c9m2v5x7k1qz`.

    A person's account ends with the public id (both tools need a capital or digit first), one of
    the platform with its bucket, because every bucket balances by itself.
    """
    name = _NAMES[ACCOUNTS[code]]
    if holder:
        return f"{name}:{public_id('Usr', holder).replace('_', '-')}"
    return f"{name}:B{bucket:03}"


@lru_cache(maxsize=256)
def _asset(code: str) -> Asset:
    return asset(code)


def decimal_text(minor: int, code: str) -> str:
    """Return minor units as a decimal number with the asset's places: -5 USD is `-0.05`."""
    return decimals.decimal_text(minor, _asset(code))


_SPACES = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")


def _one_line(text: str) -> str:
    """Take out what ends a line in any reader: references come from outside."""
    return _SPACES.sub(" ", text).strip()


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _place(record: Record) -> str:
    return f"b{record.bucket:03}-{record.seq}"


def _legs(record: Record) -> Iterator[tuple[str, str, str]]:
    """Yield (account, signed decimal, asset) for both sides of every transfer."""
    for line in record.lines:
        bucket = record.bucket
        amount = decimal_text(line.minor, line.asset)
        yield account_name(line.debit, line.debit_holder, bucket), amount, line.asset
        yield account_name(line.credit, line.credit_holder, bucket), f"-{amount}", line.asset


class Hledger:
    """A journal for hledger; `hledger check --strict` proves it."""

    def head(self, span: Span, assets: Sequence[str]) -> str:
        """Declare commodities, so that decimals are fixed and others refused."""
        styles = (
            f"commodity {decimal_text(1000 * 10 ** _asset(code).exponent, code)}"
            f"{'' if _asset(code).exponent else '.'} {code}\n"
            for code in assets
        )
        return (
            "; The books of Largesse. Debits are positive. Every bucket balances by itself.\n"
            f"; Postings from {span.first} to {span.last}, UTC.\n" + "".join(styles) + "\n"
        )

    def opening(self, standing: Standing, span: Span) -> str:
        """Declare the account."""
        return f"account {account_name(standing.code, standing.holder, standing.bucket)}\n"

    def record(self, record: Record) -> str:
        """Write one transaction; what comes from outside stands where it cannot end a field."""
        reference = re.sub("[;,|]", " ", _one_line(record.reference))
        legs = "".join(
            f"    {account}  {amount} {code}\n" for account, amount, code in _legs(record)
        )
        return (
            f"\n{_day(record.at)} ({_place(record)}) {record.event} | {reference}\n"
            f"    ; id: {record.id}, count: {record.count}\n{legs}"
        )

    def closing(self, standings: Sequence[Standing], span: Span) -> Iterator[str]:
        """Assert each balance; hledger reads by date, so the last day comes after everything."""
        if standings:
            yield f"\n{span.last} (closing) stored balances\n"
        for s in standings:
            zero, stored = decimal_text(0, s.asset), decimal_text(-s.balance, s.asset)
            name = account_name(s.code, s.holder, s.bucket)
            yield f"    {name}  {zero} {s.asset} = {stored} {s.asset}\n"


class Beancount:
    """A ledger for beancount; `bean-check` proves it."""

    def head(self, span: Span, assets: Sequence[str]) -> str:
        """Declare commodities."""
        declared = "".join(f"{span.first} commodity {code}\n" for code in assets)
        return f'option "title" "The books of Largesse"\n\n{declared}\n'

    def opening(self, standing: Standing, span: Span) -> str:
        """Open the account; one that holds several assets is opened with none named."""
        name = account_name(standing.code, standing.holder, standing.bucket)
        return f"{span.first} open {name}\n"

    def record(self, record: Record) -> str:
        """Write one transaction, with its id and reference as metadata."""
        legs = "".join(f"  {account}  {amount} {code}\n" for account, amount, code in _legs(record))
        return (
            f'\n{_day(record.at)} * "{record.event}" "{_place(record)}"\n'
            f"  id: {_quoted(record.id)}\n  reference: {_quoted(record.reference)}\n"
            f"  count: {record.count}\n{legs}"
        )

    def closing(self, standings: Sequence[Standing], span: Span) -> Iterator[str]:
        """Assert each balance at the start of the day after, to the last minor unit."""
        after = span.last + timedelta(days=1)
        for s in standings:
            name, stored = account_name(s.code, s.holder, s.bucket), -s.balance
            # Without a tolerance of zero one cent more or less would pass.
            yield f"{after} balance {name}  {decimal_text(stored, s.asset)} ~ 0 {s.asset}\n"


def _quoted(text: str) -> str:
    escaped = _one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_COLUMNS = (
    *("bucket", "seq", "line", "at", "event", "id", "reference", "count"),
    *("debit", "debit_holder", "credit", "credit_holder", "asset", "minor", "amount"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def inert(text: str) -> str:
    """Return text that no spreadsheet takes for a formula (OWASP, CSV Injection)."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _holder(number: HolderId) -> str:
    return public_id("usr", number) if number else ""


class Csv:
    """One row a transfer, RFC 4180; numbers are never touched, text never is a formula."""

    def head(self, span: Span, assets: Sequence[str]) -> str:
        """Name the columns."""
        return _csv_row(_COLUMNS)

    def opening(self, standing: Standing, span: Span) -> str:
        """A table of transfers declares no accounts."""
        return ""

    def record(self, record: Record) -> str:
        """Write the transfers of one event."""
        at = record.at.astimezone(UTC).isoformat()
        texts = (record.event, record.id, inert(_one_line(record.reference)), record.count)
        return "".join(
            _csv_row(
                (
                    *(record.bucket, record.seq, number, at, *texts),
                    *(line.debit, _holder(line.debit_holder)),
                    *(line.credit, _holder(line.credit_holder)),
                    *(line.asset, line.minor, decimal_text(line.minor, line.asset)),
                )
            )
            for number, line in enumerate(record.lines, start=1)
        )

    def closing(self, standings: Sequence[Standing], span: Span) -> Iterator[str]:
        """A table of transfers holds no balances."""
        yield from ()


def _csv_row(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


class Jsonl:
    """One JSON object a line: `kind` is posting or balance; ids and sequences are strings."""

    def head(self, span: Span, assets: Sequence[str]) -> str:
        """Nothing comes before the first line."""
        return ""

    def opening(self, standing: Standing, span: Span) -> str:
        """Accounts are declared by use."""
        return ""

    def record(self, record: Record) -> str:
        """Write one event with its facts."""
        transfers = [
            {
                "debit": line.debit,
                "debit_holder": _holder(line.debit_holder) or None,
                "credit": line.credit,
                "credit_holder": _holder(line.credit_holder) or None,
                "asset": line.asset,
                "minor": line.minor,
            }
            for line in record.lines
        ]
        return _json_row(
            {
                "kind": "posting",
                "bucket": record.bucket,
                "seq": str(record.seq),
                "at": record.at.astimezone(UTC).isoformat(),
                "event": record.event,
                "id": record.id,
                "reference": record.reference,
                "count": record.count,
                "transfers": transfers,
                "facts": dict(record.facts),
            }
        )

    def closing(self, standings: Sequence[Standing], span: Span) -> Iterator[str]:
        """Write the stored balances, credits minus debits."""
        for s in standings:
            yield _json_row(
                {
                    "kind": "balance",
                    "bucket": s.bucket,
                    "account": s.code,
                    "holder": _holder(s.holder) or None,
                    "asset": s.asset,
                    "minor": s.balance,
                }
            )


def _json_row(content: Mapping[str, object]) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


FORMATS: dict[str, Format] = {
    "hledger": Hledger(),
    "beancount": Beancount(),
    "csv": Csv(),
    "jsonl": Jsonl(),
}


def find_format(name: str) -> Format:
    """Return a format by its name; raises UnknownFormat with those that exist."""
    found = FORMATS.get(name)
    if found is None:
        raise UnknownFormat(f"There is no format {name!r}. Choose one of: {', '.join(FORMATS)}.")
    return found
