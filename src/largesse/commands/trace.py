"""`largesse trace`: from a payment to its gifts, their creators and payouts, and all the way back.

Owns the command and how what it follows is named. Must not know which serials belong to what: the
ledger's provenance does. Invariant: everything shown is of one moment of the books, and the money
of a lot's gifts, of what was taken out of it and of what is left is the money that was paid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from largesse.commands.failures import CommandFailure
from largesse.commands.options import DEFAULT_DATA, DataOption, JsonOption

if TYPE_CHECKING:
    from largesse.adapters.postgres.provenance import GiftTrace, LotTrace, Onward, PayoutTrace
    from largesse.money.ids import HolderId

_PLACE = re.compile(r"b(\d{3})-(\d{1,18})")
_UUID_DASHES = 4
_ID_HELP = (
    "A gift (gft_...), an order (rch_...), a payout (pay_...), the reference of a recorded file, "
    "or a place such as b006-12 that `largesse explain` and `largesse statement --json` show."
)


def trace(
    name: Annotated[str, typer.Argument(metavar="ID", help=_ID_HELP)],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Follow coins: which payments paid for a gift, or which gifts and payouts a payment became."""
    from largesse.commands.database import open_books
    from largesse.commands.printing import print_json

    with open_books(data) as books:
        books.use_django()
        from largesse.adapters.postgres.checks import snapshot
        from largesse.adapters.postgres.provenance import GiftTrace, PayoutTrace

        with snapshot():
            found = _found(name)
        names = _names(found)
    if as_json:
        print_json({"asked": name, "found": [_document(one, names) for one in found]})
        return
    for one in found:
        if isinstance(one, GiftTrace):
            _print_gift(one, names)
        elif isinstance(one, PayoutTrace):
            _print_payout(one, names)
        else:
            _print_lot(one, names)


# --- What is meant -------------------------------------------------------------------------------


def _found(name: str) -> Sequence[GiftTrace | LotTrace | PayoutTrace]:
    if name.startswith("gft_"):
        return [_gift(name, *_gift_place(name))]
    place = _PLACE.fullmatch(name)
    if place is not None:
        return _at_place(name, int(place[1]), int(place[2]))
    if name.startswith("rch_"):
        return _order(name)
    return _at_place(name, *_payout_or_sealed(name))


def _gift_place(name: str) -> tuple[int, int]:
    """Return where a gift stands, by the id of its receipt (a UUID) or that of the room."""
    from largesse.gifting.rules import parse_gift_id

    return _sealed(name) if name.count("-") == _UUID_DASHES else parse_gift_id(name)


def _gift(name: str, bucket: int, seq: int) -> GiftTrace:
    from largesse.adapters.postgres.provenance import trace_gift

    found = trace_gift(bucket, seq)
    if found is None:
        raise CommandFailure(f"There is no gift {name}. `largesse statement HOLDER` lists them.")
    return found


def _order(name: str) -> Sequence[GiftTrace | LotTrace | PayoutTrace]:
    from largesse.adapters.postgres.provenance import lots_of_reference, trace_lot
    from largesse.money.ids import HolderId, OrderId, parse_public_id
    from largesse.recharge.models import Order

    order = Order.objects.filter(pk=OrderId(parse_public_id("rch", name))).first()
    if order is None:
        return _at_place(name, *_sealed(name))
    rows = lots_of_reference(HolderId(order.holder), name)
    if not rows:
        raise CommandFailure(f"Order {name} is {order.status}: it has brought no coins.")
    return [trace_lot(row) for row in rows]


def _payout_or_sealed(name: str) -> tuple[int, int]:
    """Return where a payout or a recorded file's posting stands."""
    from largesse.adapters.postgres.provenance import payout_place
    from largesse.money.ids import HolderId, parse_public_id
    from largesse.payouts.models import Payout

    if name.startswith("pay_"):
        payout = Payout.objects.filter(pk=parse_public_id("pay", name)).first()
        place = payout_place(HolderId(payout.holder), name) if payout else None
        if place is not None:
            return place
    return _sealed(name)


def _sealed(name: str) -> tuple[int, int]:
    from largesse.adapters.postgres.book import run
    from largesse.adapters.postgres.proofs import find_place

    return run(find_place(name))


def _at_place(name: str, bucket: int, seq: int) -> Sequence[GiftTrace | LotTrace | PayoutTrace]:
    """Return what a posting is about: a gift, the lots that it brought or cut, or a payout."""
    from largesse.adapters.postgres import provenance

    journal = provenance.journal_at(bucket, seq)
    if journal is None:
        return [_gift(name, bucket, seq)]
    event, holder, reference = journal
    if event.startswith("payout"):
        found = provenance.trace_payout(holder, reference)
        if found is None:
            raise CommandFailure(f"Payout {reference} came back: its diamonds are the creator's.")
        return [found]
    lots = [provenance.trace_lot(row) for row in provenance.lots_of_journal(bucket, seq)]
    if not lots:
        raise CommandFailure(
            f"{name} is a posting of kind {event}: no lot of coins moved there. "
            "Name a gift, a recharge, a refund or a payout."
        )
    return lots


def _names(found: Iterable[object]) -> dict[HolderId, str]:
    from largesse.adapters.postgres.provenance import GiftTrace, LotTrace, PayoutTrace
    from largesse.people.selectors import display_names

    people: set[HolderId] = set()
    for one in found:
        if isinstance(one, GiftTrace):
            people |= {one.gift.fan, one.gift.creator}
        elif isinstance(one, LotTrace):
            people |= {one.row.holder, *(funded.gift.creator for funded, _ in one.gifts)}
        elif isinstance(one, PayoutTrace):
            people.add(one.creator)
    return display_names(people)


# --- For machines --------------------------------------------------------------------------------


def _person(holder: HolderId, names: dict[HolderId, str]) -> dict[str, str]:
    from largesse.money.ids import public_id

    return {"id": public_id("usr", holder), "name": names.get(holder, "")}


def _document(one: GiftTrace | LotTrace | PayoutTrace, names: dict[HolderId, str]) -> Any:
    from largesse.adapters.postgres.provenance import GiftTrace, PayoutTrace

    if isinstance(one, GiftTrace):
        return _gift_document(one, names)
    if isinstance(one, PayoutTrace):
        return _payout_document(one, names)
    return _lot_document(one, names)


def _gift_document(one: GiftTrace, names: dict[HolderId, str]) -> dict[str, Any]:
    from largesse.gifting.rules import gift_public_id

    gift = one.gift
    return {
        "kind": "gift",
        "id": gift_public_id(gift.fan, gift.seq),
        "at": gift.at.isoformat(),
        "fan": _person(gift.fan, names),
        "creator": _person(gift.creator, names),
        "coins": gift.coins,
        "bonus": gift.bonus,
        "sources": [
            {
                "lot": _lot_head(row),
                "coins": piece.coins,
                "minor": piece.minor,
                "currency": piece.lot.currency,
            }
            for row, piece in one.sources
        ],
        **_onward_document(one.onward),
    }


def _lot_head(row: Any) -> dict[str, Any]:
    from largesse.ledger.explain import place

    return {
        "reference": row.lot.reference,
        "place": place(row.bucket, row.seq),
        "class": row.coin_class.value,
        "channel": row.channel,
        "serials": [row.lot.serials.start, row.lot.serials.stop],
    }


def _onward_document(onward: Onward) -> dict[str, Any]:
    from largesse.ledger.explain import place

    earning = onward.earning
    return {
        "earning": earning
        and {
            "place": place(earning.bucket, earning.seq),
            "at": earning.at.isoformat(),
            "gifts": earning.gifts,
            "coins": earning.coins,
            "diamonds": earning.diamonds,
        },
        "payouts": [
            {"id": part.reference, "diamonds": part.diamonds, "state": part.state}
            for part in onward.payouts
        ],
    }


def _lot_document(one: LotTrace, names: dict[HolderId, str]) -> dict[str, Any]:
    from largesse.gifting.rules import gift_public_id
    from largesse.ledger.explain import place

    lot, use = one.row.lot, one.use
    return {
        "kind": "lot",
        **_lot_head(one.row),
        "at": one.row.at.isoformat(),
        "expires_at": one.row.expires_at and one.row.expires_at.isoformat(),
        "fan": _person(one.row.holder, names),
        "coins": len(lot.serials),
        "currency": lot.currency,
        "price_minor": lot.price_minor,
        "tax_minor": lot.tax_minor,
        "spent": {"coins": use.spent, "minor": use.spent_minor},
        "void": {"coins": use.void, "minor": use.void_minor},
        "unspent": {"coins": use.unspent, "minor": use.unspent_minor},
        "voided": [
            {
                "place": place(one.row.bucket, part.seq),
                "event": part.event,
                "coins": part.coins,
                "minor": part.minor,
            }
            for part in one.voided
        ],
        "gifts": [
            {
                "id": gift_public_id(one.row.holder, funded.gift.seq),
                "at": funded.gift.at.isoformat(),
                "creator": _person(funded.gift.creator, names),
                "coins": funded.coins,
                "of_coins": funded.gift.coins,
                "minor": funded.minor,
                **_onward_document(onward),
            }
            for funded, onward in one.gifts
        ],
    }


def _payout_document(one: PayoutTrace, names: dict[HolderId, str]) -> dict[str, Any]:
    from largesse.ledger.explain import place

    return {
        "kind": "payout",
        "id": one.payout.reference,
        "creator": _person(one.creator, names),
        "diamonds": one.payout.diamonds,
        "state": one.payout.state,
        "earnings": [
            {
                "place": place(earning.bucket, earning.seq),
                "at": earning.at.isoformat(),
                "gifts": earning.gifts,
                "coins": earning.coins,
                "diamonds": earning.diamonds,
                "taken": taken,
            }
            for earning, taken in one.earnings
        ],
    }


# --- For people ----------------------------------------------------------------------------------


def _print(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from largesse.commands.printing import answers
    from largesse.ledger.explain import plain

    console = answers()
    console.print(f"[bold]{escape(plain(title))}[/bold]")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, justify="right" if name in ("Coins", "Paid", "Diamonds") else "left")
    for row in rows:
        table.add_row(*(escape(plain(cell)) for cell in row))
    if table.row_count:
        console.print(table)


def _money(minor: int, currency: str) -> str:
    from largesse.ledger.explain import amount_words

    return amount_words(minor, currency) if currency else "nothing"


def _onward_words(onward: Onward) -> str:
    from largesse.ledger.explain import place

    if onward.earning is None:
        return "not credited yet"
    earning = onward.earning
    where = (
        f"{place(earning.bucket, earning.seq)}: {earning.diamonds:,} for {earning.coins:,} coins"
    )
    paid = ", ".join(f"{p.diamonds:,} in {p.reference} ({p.state})" for p in onward.payouts)
    return f"{where}; {paid or 'not in a payout'}"


def _print_gift(one: GiftTrace, names: dict[HolderId, str]) -> None:
    gift = one.gift
    who = f"{names.get(gift.fan, 'somebody')} to {names.get(gift.creator, 'somebody')}"
    _print(
        f"Gift of {gift.coins:,} coins, {who}, {gift.at:%Y-%m-%d %H:%M:%S %Z}",
        ("Paid out of", "Class", "Channel", "Coins", "Paid"),
        (
            (
                row.lot.reference,
                row.coin_class.value,
                row.channel,
                f"{piece.coins:,}",
                _money(piece.minor, piece.lot.currency),
            )
            for row, piece in one.sources
        ),
    )
    _print(f"Diamonds: {_onward_words(one.onward)}", (), ())


def _print_lot(one: LotTrace, names: dict[HolderId, str]) -> None:
    from largesse.gifting.rules import gift_public_id
    from largesse.ledger.explain import place

    row, lot, use = one.row, one.row.lot, one.use
    price = _money(lot.price_minor, lot.currency)
    title = f"{lot.reference}: {len(lot.serials):,} {row.coin_class.value} coins for {price}"
    who = names.get(row.holder, "somebody")
    parts = [
        ("given away", use.spent, use.spent_minor),
        ("unspent", use.unspent, use.unspent_minor),
    ]
    parts += [
        (f"{part.event} {place(row.bucket, part.seq)}", part.coins, part.minor)
        for part in one.voided
    ]
    _print(
        f"{title}, {who}, {row.channel}, {row.at:%Y-%m-%d %H:%M:%S %Z}",
        ("Became", "Coins", "Paid"),
        ((what, f"{coins:,}", _money(minor, lot.currency)) for what, coins, minor in parts),
    )
    _print(
        f"{len(one.gifts):,} gifts drew on it" if one.gifts else "No gift drew on it.",
        ("Gift", "To", "Coins", "Paid", "Diamonds of its roll-up"),
        (
            (
                gift_public_id(row.holder, funded.gift.seq),
                names.get(funded.gift.creator, "somebody"),
                f"{funded.coins:,}",
                _money(funded.minor, lot.currency),
                _onward_words(onward),
            )
            for funded, onward in one.gifts
        ),
    )


def _print_payout(one: PayoutTrace, names: dict[HolderId, str]) -> None:
    from largesse.ledger.explain import place

    who = names.get(one.creator, "somebody")
    _print(
        f"Payout {one.payout.reference} of {one.payout.diamonds:,} diamonds to {who}, "
        f"{one.payout.state}",
        ("Earned", "When", "Gifts", "Coins", "Diamonds", "Of them in this payout"),
        (
            (
                place(earning.bucket, earning.seq),
                f"{earning.at:%Y-%m-%d %H:%M:%S %Z}",
                f"{earning.gifts:,}",
                f"{earning.coins:,}",
                f"{earning.diamonds:,}",
                f"{taken:,}",
            )
            for earning, taken in one.earnings
        ),
    )
