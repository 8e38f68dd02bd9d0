"""`largesse accounts` and `largesse statement`: who holds what, and how it came to be.

Owns the two commands and how a person is named on the command line. Must not compute a balance: the
ledger's readers do. Invariant: balances are credits minus debits in minor units, as stored; words
for people stand beside them, never instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from largesse.commands.failures import CommandFailure
from largesse.commands.options import DEFAULT_DATA, DataOption, JsonOption

if TYPE_CHECKING:
    from largesse.adapters.postgres.reading import Entry
    from largesse.people.models import Holder

_CHUNK = 1_000
HOLDER_HELP = "A handle, a usr_ id, or a name from a replayed file."


def list_accounts(
    holder: Annotated[
        str | None, typer.Option("--holder", metavar="HOLDER", help=HOLDER_HELP)
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Also every account of every person.")
    ] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show the chart of accounts with its balances: the platform's, and people's summed up."""
    from largesse.commands.database import open_books
    from largesse.commands.printing import print_json

    with open_books(data) as books:
        books.use_django()
        if holder is not None:
            rows = _rows_of(find_holder(holder))
        else:
            rows = _chart(books.url) + (_rows_of_all(books.url) if everybody else [])
    if as_json:
        print_json({"accounts": rows})
    else:
        _print_accounts(rows)


def _chart(url: str) -> list[dict[str, Any]]:
    """Every account of the chart, also those that never moved."""
    from largesse.adapters.postgres.export_rows import open_snapshot
    from largesse.ledger.accounts import ACCOUNTS

    with open_snapshot(url) as snapshot:
        rows = [
            _row(total.code, total.asset, total.balance, holders=total.holders)
            for total in snapshot.totals()
        ]
    seen = {row["account"] for row in rows}
    rows += [
        _row(account.code, account.unit.value, 0, holders=0)
        for account in ACCOUNTS.values()
        if account.code not in seen
    ]
    order = list(ACCOUNTS)
    return sorted(rows, key=lambda row: (order.index(row["account"]), row["asset"]))


def _rows_of_all(url: str) -> list[dict[str, Any]]:
    from largesse.adapters.postgres.export_rows import open_snapshot
    from largesse.money.ids import public_id
    from largesse.people.selectors import display_names

    rows = []
    with open_snapshot(url) as snapshot:
        people = (one for one in snapshot.standings() if one.holder)
        while chunk := list(islice(people, _CHUNK)):
            names = display_names({one.holder for one in chunk})
            rows += [
                _row(
                    one.code,
                    one.asset,
                    one.balance,
                    holder=public_id("usr", one.holder),
                    name=names.get(one.holder, ""),
                )
                for one in chunk
            ]
    return rows


def _rows_of(person: Holder) -> list[dict[str, Any]]:
    from largesse.adapters.postgres.reading import balances
    from largesse.money.ids import HolderId

    return [
        _row(code, asset, balance, holder=person.public_id, name=person.display_name)
        for (code, asset), balance in balances(HolderId(person.pk)).items()
    ]


def _row(account: str, asset: str, balance: int, **more: object) -> dict[str, Any]:
    return {"account": account, "asset": asset, "balance": balance, **more}


def _print_accounts(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from largesse.commands.printing import answers

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Account")
    table.add_column("Asset")
    table.add_column("Balance", justify="right")
    table.add_column("Held by")
    for row in rows:
        held_by = f"{row['name']} ({row['holder']})" if "holder" in row else _holders(row)
        balance = _shown(row["balance"], row["asset"])
        table.add_row(row["account"], row["asset"], balance, escape(held_by))
    answers().print(table)


def _holders(row: dict[str, Any]) -> str:
    from largesse.ledger.accounts import ACCOUNTS

    if not ACCOUNTS[row["account"]].personal:
        return "the platform"
    count = row["holders"]
    return f"{count:,} {'person' if count == 1 else 'people'}"


# --- statement -----------------------------------------------------------------------------------


def show_statement(
    holder: Annotated[str, typer.Argument(metavar="HOLDER", help=HOLDER_HELP)],
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the newest entries; all without it.")
    ] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List every entry of a person, newest first, with the balance after it."""
    from largesse.adapters.postgres.reading import full_statement
    from largesse.commands.database import open_books
    from largesse.commands.printing import print_json_list
    from largesse.money.ids import HolderId

    with open_books(data) as books:
        books.use_django()
        person = find_holder(holder)
        entries = islice(full_statement(HolderId(person.pk)), limit)
        if as_json:
            head = {"holder": person.public_id, "handle": person.handle}
            print_json_list(head, "entries", (_entry_row(entry) for entry in entries))
        else:
            _print_statement(person, entries)


def _entry_row(entry: Entry) -> dict[str, Any]:
    changes = [
        {
            "account": change.account,
            "asset": change.asset,
            "change": change.change,
            "balance_after": change.balance_after,
        }
        for change in entry.changes
    ]
    return {
        "at": entry.at.isoformat(),
        "event": entry.event,
        "reference": entry.reference,
        "place": f"b{entry.bucket:03}-{entry.seq}",
        "changes": changes,
    }


def _print_statement(person: Holder, entries: Iterator[Entry]) -> None:
    from rich.markup import escape

    from largesse.commands.printing import answers

    console = answers()
    console.print(f"[bold]{escape(person.display_name)}[/bold] {person.handle} {person.public_id}")
    for entry in entries:
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        label = f"{at}  {entry.event:<18}"
        for change in entry.changes:
            moved = f"{'+' if change.change > 0 else ''}{_shown(change.change, change.asset)}"
            after = _shown(change.balance_after, change.asset)
            console.print(
                f"{label} {change.account:<18} {moved:>14} {change.asset:<8} {after:>14}  "
                f"[dim]{escape(entry.reference)}[/dim]"
            )
            label = " " * len(label)


# --- Words for people and amounts ----------------------------------------------------------------


def find_holder(text: str) -> Holder:
    """Return the one person that a word on the command line names."""
    from largesse.money.ids import HolderId, parse_public_id
    from largesse.people.selectors import find_holder_by_handle, get_holder

    if text.startswith("usr_"):
        return get_holder(HolderId(parse_public_id("usr", text)))
    found = find_holder_by_handle(text) or _imported(text)
    if found is None:
        raise CommandFailure(
            f"Nobody is known as {text!r}. "
            "`largesse accounts --all` lists everybody who holds anything."
        )
    return found


def _imported(name: str) -> Holder | None:
    """Return who a replayed file or the demo calls by this name: it gives their id for ever."""
    from largesse.money.ids import HolderId, id_from_name
    from largesse.people.errors import UnknownHolder
    from largesse.people.selectors import get_holder
    from largesse.simulator.cast import NAMESPACE
    from largesse.simulator.replay.formats import FORMATS

    for namespace in (NAMESPACE, *FORMATS):
        with suppress(UnknownHolder):
            return get_holder(HolderId(id_from_name(namespace, name)))
    return None


def _shown(minor: int, asset: str) -> str:
    from largesse.finance.exports import decimal_text
    from largesse.ledger.accounts import Unit

    if asset == Unit.CURRENCY.value:
        return "0"
    whole, dot, part = decimal_text(abs(minor), asset).partition(".")
    return f"{'-' if minor < 0 else ''}{int(whole):,}{dot}{part}"
