"""What the console's pages show, made of the books' facts.

Owns tables for operators and the words around them. Must not read the database or the clock.
Invariant: the platform's table shows every account and, for each asset, a sum that must be zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from largesse.adapters.postgres.checks import Finding
from largesse.finance.selectors import ClosedDay
from largesse.ledger.accounts import ACCOUNTS
from largesse.money.assets import asset
from largesse.money.ids import BadId, parse_public_id, public_id
from largesse.payouts.models import Payout
from largesse.recharge.models import Order
from largesse.web.pages.statement_words import Line, account_name
from largesse.web.templatetags.money import show_count, show_minor, signed

Cell = str | SafeString
Table = dict[str, object]
Balances = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class AssetBalances:
    """All accounts of one asset and their sum, which is zero in sound books."""

    asset: str
    table: Table
    is_zero: bool


def shown(minor: int, code: str) -> str:
    """Return an amount of any asset in its reader's form."""
    return show_minor(minor, code) if asset(code).is_currency else show_count(minor)


def balance_tables(platform: Balances, people: Balances) -> list[AssetBalances]:
    """Return one table for each asset: the platform's accounts, all people's, and the sum."""
    codes = sorted({code for _, code in [*platform, *people]}, key=_asset_order)
    order = list(ACCOUNTS)
    tables = []
    for code in codes:
        rows: list[list[Cell]] = []
        total = 0
        both = [(name, held, "platform") for (name, a), held in platform.items() if a == code]
        both += [(name, held, "people") for (name, a), held in people.items() if a == code]
        for name, held, side in sorted(both, key=lambda row: order.index(row[0])):
            total += held
            if held:
                rows.append([name.replace("_", " "), side, shown(held, code)])
        rows.append([_strong("sum"), "", _strong(shown(total, code))])
        table = _table(["Account", "Whose", "Balance"], rows, numbers=[2])
        tables.append(AssetBalances(code, table, total == 0))
    return tables


def _asset_order(code: str) -> tuple[bool, str]:
    return (asset(code).is_currency, code)


def counts_table(heading: str, counts: Mapping[str, int]) -> Table:
    """Return how many things stand in each state."""
    rows = [[state.replace("_", " "), show_count(number)] for state, number in counts.items()]
    return _table([heading, "Number"], rows, numbers=[1])


def findings_table(findings: Iterable[Finding]) -> Table:
    """Return the breaks of the books."""
    rows = [[one.invariant, one.account, one.message] for one in findings]
    return _table(["Invariant", "Account", "What is wrong"], rows)


def days_table(days: Iterable[ClosedDay]) -> Table:
    """Return the latest closes."""
    rows = [
        [
            str(day.day),
            _sums(day.revenue),
            _sums(day.creator_cost),
            "complete" if day.is_complete else "under way",
        ]
        for day in days
    ]
    return _table(["Day (UTC)", "Revenue", "Cost of creators", "State"], rows)


def _sums(amounts: Mapping[str, int]) -> str:
    return ", ".join(show_minor(minor, code) for code, minor in sorted(amounts.items())) or "–"


def orders_table(orders: Iterable[Order]) -> Table:
    """Return orders with a link to each and to whose it is."""
    rows: list[list[Cell]] = [
        [
            _link("admin:recharge_order_change", order.pk, order.public_id),
            holder_link(order.holder),
            order.status + (f" ({order.park_reason})" if order.park_reason else ""),
            show_count(order.coins),
            show_minor(order.price_minor, order.currency),
            f"{order.created_at:%Y-%m-%d %H:%M} UTC",
        ]
        for order in orders
    ]
    return _table(["Order", "Fan", "State", "Coins", "Price", "Placed"], rows)


def payouts_table(payouts: Iterable[Payout]) -> Table:
    """Return payouts with a link to each and to whose it is."""
    rows: list[list[Cell]] = [
        [
            _link("console:payout", payout.public_id, payout.public_id),
            holder_link(payout.holder),
            payout.status + (f" (parked: {payout.parked})" if payout.parked else ""),
            show_count(payout.diamonds),
            show_minor(payout.net.minor, payout.currency),
            f"{payout.created_at:%Y-%m-%d %H:%M} UTC",
        ]
        for payout in payouts
    ]
    return _table(["Payout", "Creator", "State", "Diamonds", "Net", "Requested"], rows)


def statement_table(lines: Iterable[Line]) -> Table:
    """Return the entries of a holder, newest first, each with the reason that its owner reads."""
    rows: list[list[Cell]] = [
        [
            f"{line.at:%Y-%m-%d %H:%M:%S} UTC",
            format_html("<strong>{}</strong><br>{}", line.event, line.note),
            _journal(line),
            line.account,
            signed(line.change),
            show_count(line.balance_after),
        ]
        for line in lines
    ]
    headers = ["When", "What and why", "Journal", "Account", "Change", "After"]
    return _table(headers, rows, numbers=[4, 5])


def _journal(line: Line) -> SafeString:
    """Return where a journal stands, what it refers to, and the journals that it follows from."""
    shown: Cell = line.reference
    with suppress(BadId):
        if line.reference.startswith("rch_"):
            order = parse_public_id("rch", line.reference)
            shown = _link("admin:recharge_order_change", order, line.reference)
        elif line.reference.startswith("pay_"):
            parse_public_id("pay", line.reference)
            shown = _link("console:payout", line.reference, line.reference)
    origin = f"from {', '.join(line.follows_from)}" if line.follows_from else ""
    parts = [part for part in (line.place, shown, origin) if part]
    return format_html_join(mark_safe("<br>"), "{}", ((part,) for part in parts))


def holder_balances_table(held: Balances) -> Table:
    """Return a holder's balances; what is nothing is left out."""
    rows = [
        [account_name(code), shown(balance, unit)]
        for (code, unit), balance in held.items()
        if balance
    ]
    return _table(["Account", "Balance"], rows, numbers=[1])


def holder_link(holder: int) -> SafeString:
    """Return a link to the page that explains a holder."""
    name = public_id("usr", holder)
    return _link("console:holder", name, name)


def _table(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], numbers: Sequence[int] = ()
) -> Table:
    """Return a table as the template takes it; `numbers` are the columns that align at the end."""
    return {"headers": headers, "rows": rows, "numbers": numbers}


def timeline_table(payout: Payout) -> Table:
    """Return every line of a payout's timeline."""
    rows = [
        [f"{e.at:%Y-%m-%d %H:%M:%S} UTC", e.status, e.answer, e.reason, e.note]
        for e in payout.events.all()
    ]
    return _table(["When", "Status after", "Answer", "Reason", "Note"], rows)


def _link(view: str, argument: object, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(view, args=[argument]), text)


def _strong(text: str) -> SafeString:
    return format_html("<strong>{}</strong>", text)
