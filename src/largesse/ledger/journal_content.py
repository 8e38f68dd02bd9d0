"""A journal as plain data, and back: what a hold keeps until its journal is posted.

Owns the names of the members and the refusal of anything that is not a journal. Must not know where
the data is kept. Invariant: reading what was written gives the same journal, and data that breaks a
rule of form is refused with the rule's name (`errors.Fault`), never posted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from largesse.ledger.accounts import ACCOUNTS, AccountRef
from largesse.ledger.errors import BadJournal, Fault
from largesse.ledger.journals import Bound, Event, Journal, NewLot, NewVoid, Transfer
from largesse.ledger.lots import CoinClass, SerialRange
from largesse.money.amounts import MAX_MINOR, Amount, BadAmount
from largesse.money.assets import UnknownAsset, asset
from largesse.money.ids import HolderId

T = TypeVar("T")
Content = dict[str, Any]


def content_of(journal: Journal) -> Content:
    """Return the journal as data that JSON can hold; amounts are integers in minor units."""
    content: Content = {
        "id": str(journal.id),
        "event": journal.event.value,
        "bucket": journal.bucket,
        "at": journal.at.isoformat(),
        "reference": journal.reference,
        "detail": dict(journal.detail),
        "transfers": [
            {
                "debit": str(t.debit),
                "credit": str(t.credit),
                "amount_minor": t.amount.minor,
                "asset": t.amount.asset.code,
            }
            for t in journal.transfers
        ],
    }
    if journal.lots:
        content["lots"] = [_lot_content(lot) for lot in journal.lots]
    if journal.voids:
        content["voids"] = [
            {"class": v.coin_class.value, "start": v.serials.start, "stop": v.serials.stop}
            for v in journal.voids
        ]
    if journal.linked_to is not None:
        content["linked_to"] = str(journal.linked_to)
    if journal.bounds:
        content["bounds"] = [
            {
                "account": str(bound.account),
                "asset": bound.asset.code,
                "at_least": bound.at_least,
                "at_most": bound.at_most,
            }
            for bound in journal.bounds
        ]
    return content


def _lot_content(lot: NewLot) -> Content:
    return {
        "class": lot.coin_class.value,
        "coins": lot.coins,
        "price_minor": lot.price_minor,
        "tax_minor": lot.tax_minor,
        "currency": lot.currency,
        "channel": lot.channel,
        "reference": lot.reference,
        "expires_at": None if lot.expires_at is None else lot.expires_at.isoformat(),
    }


def journal_of(content: Mapping[str, Any]) -> Journal:
    """Return the journal that the data describes.

    Raises BadJournal and nothing else; its `fault` says which rule the data breaks.
    """
    try:
        linked = content.get("linked_to")
        return Journal(
            id=UUID(_text(content["id"])),
            event=Event(_text(content["event"])),
            bucket=_whole(content["bucket"]),
            at=datetime.fromisoformat(_text(content["at"])),
            transfers=_each(content["transfers"], _transfer),
            reference=_text(content["reference"]),
            lots=_each(content.get("lots", ()), _lot),
            voids=_each(content.get("voids", ()), _void),
            detail=dict(content.get("detail", {})),
            linked_to=None if linked is None else UUID(_text(linked)),
            bounds=_each(content.get("bounds", ()), _bound),
        )
    except UnknownAsset as error:
        raise BadJournal(error.message, Fault.UNKNOWN_ASSET) from error
    except BadAmount as error:
        raise BadJournal(error.message, Fault.AMOUNT_OUT_OF_RANGE) from error
    except KeyError as error:
        raise BadJournal(f"The journal has no {error.args[0]!r}.") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise BadJournal(f"The journal cannot be read: {error}.") from error


def account_ref(text: str) -> AccountRef:
    """Return the account that a text like `fan_paid:5` or `bank` names.

    Raises BadJournal with Fault.UNKNOWN_ACCOUNT when there is no such account.
    """
    code, _, holder = _text(text).partition(":")
    account = ACCOUNTS.get(code)
    is_whole = holder.isascii() and holder.isdigit() and len(holder) <= len(str(MAX_MINOR))
    is_whole = is_whole and int(holder) <= MAX_MINOR
    if account is None or account.personal != is_whole or (holder and not is_whole):
        raise BadJournal(f"There is no account {text!r}.", Fault.UNKNOWN_ACCOUNT)
    return AccountRef(account, HolderId(int(holder))) if holder else AccountRef(account)


def _transfer(content: Mapping[str, Any]) -> Transfer:
    debit, credit = account_ref(content["debit"]), account_ref(content["credit"])
    return Transfer(debit, credit, Amount(content["amount_minor"], asset(_text(content["asset"]))))


def _lot(content: Mapping[str, Any]) -> NewLot:
    expires_at = content["expires_at"]
    return NewLot(
        CoinClass(content["class"]),
        content["coins"],
        content["price_minor"],
        content["tax_minor"],
        _text(content["currency"]),
        _text(content["channel"]),
        _text(content["reference"]),
        None if expires_at is None else datetime.fromisoformat(expires_at),
    )


def _void(content: Mapping[str, Any]) -> NewVoid:
    serials = SerialRange(_whole(content["start"]), _whole(content["stop"]))
    return NewVoid(CoinClass(content["class"]), serials)


def _bound(content: Mapping[str, Any]) -> Bound:
    limits = content.get("at_least"), content.get("at_most")
    return Bound(account_ref(content["account"]), asset(_text(content["asset"])), *limits)


def _each(
    parts: Sequence[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], T]
) -> tuple[T, ...]:
    if isinstance(parts, str | bytes | Mapping):
        raise TypeError(f"{parts!r} is not a list")
    return tuple(read(part) for part in parts)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is not a whole number")
    return value
