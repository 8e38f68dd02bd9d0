"""Bad amounts at every door where one is read: refused by name, never rounded or guessed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import product

import msgspec
import pytest

from largesse.adapters.providers import sandbox as provider
from largesse.catalog.services import publish_price_book
from largesse.gifting.rules import require_count
from largesse.ledger.gifts import GiftPosting
from largesse.money.amounts import Amount, checked_minor
from largesse.money.assets import COIN, asset
from largesse.money.decimals import parse_decimal
from largesse.money.errors import DomainError
from largesse.money.ids import HolderId, RoomId, keyed_id
from largesse.simulator.replay import formats
from largesse.simulator.replay.events import BadLine
from largesse.simulator.sandbox import wire
from largesse.web.pages.payout_views import posted_diamonds
from largesse.web.pages.store_views import parse_pick
from tests.adapters.postgres.ledger_world import START, key

TOO_MUCH = str(2**63)
TEXTS = (
    *("", " ", "NaN", "nan", "Infinity", "-Infinity", "1e999", "1e2", "1E2", "0x10", "1j", "0b1"),
    *("-0", "-1", "+1", "--1", "1_000", "1,000", "1 000", "1'000", "1.", ".5", "1.2.3", "½", "²"),
    *("\uff11\uff10\uff10", "\u0663", "\u0967", "1\u200b0", "1\n2", "1\x00", "\u22121"),
    *("one", "None", "1;2", TOO_MUCH),
    "9" * 5_000,
)
"""Texts that are no whole or decimal number of anything."""

NUMBERS = (*(b"NaN", b"Infinity", b"1e999", b"1.5", b"-1", b"-0", b"0", b"1_000", b'"1"', b"true"),)
JSON = (*NUMBERS, *(b"null", b"[1]", b"{}", TOO_MUCH.encode(), b"01", b"+1", b"1e-3"))
"""The same in JSON; a float that happens to be whole is no amount either."""

USD = asset("USD")


def event_line(amount: bytes) -> bytes:
    head = b'{"at":"2026-11-22T08:00:00Z","id":"e","type":"recharge","fan":"f","coins":'
    return head + amount + b"}"


def money_line(amount: bytes) -> bytes:
    return event_line(b"5")[:-1] + b',"money":{"minor":' + amount + b',"currency":"USD"}}'


def money_text(text: str) -> object:
    return formats._event(event_line(b"5")[:-1] + b',"money":' + msgspec.json.encode(text) + b"}")


def donation(text: str) -> object:
    return formats._donation(1, ["m", "2011-01-05T16:22:47", "a", "b", text, "True"])


def live_count(body: bytes) -> object:
    """As the live service reads it: any JSON first, then the rule."""
    return require_count(msgspec.json.decode(body))


def checkout(body: bytes) -> object:
    rest = b'","description":"d","return_url":"r","order":"o"}'
    wish = b'{"amount_minor":' + body + b',"currency":"USD' + rest
    return msgspec.json.decode(wish, type=wire.CheckoutWish)


def provider_says(body: bytes) -> object:
    """What the provider says of a transfer, as its adapter reads it."""
    answer = b'{"id":"t","payout":"p","status":"pending","currency":"USD","amount_minor":'
    found = msgspec.json.decode(answer + body + b',"reason":null}', type=provider._TransferWire)
    amount = provider._amount(found)
    if amount.minor == 0:
        raise DomainError("Nothing is no transfer; the caller compares it with what it sent.")
    return amount


REFUSALS = (DomainError, BadLine, msgspec.MsgspecError, ValueError)

DOORS_OF_TEXT: dict[str, Callable[[str], object]] = {
    "a decimal amount": lambda text: parse_decimal(text, USD),
    "a decimal amount without decimals": lambda text: parse_decimal(text, COIN),
    "a checked amount": checked_minor,
    "an amount": lambda text: Amount(text, USD),  # type: ignore[arg-type]
    "diamonds of a payout form": posted_diamonds,
    "a package of the store": lambda text: parse_pick(f"{text}:1"),
    "a number of packages": lambda text: parse_pick(f"3:{text}"),
    "money of a replay": lambda text: money_text(f"{text} USD"),
    "cents of a donation": donation,
}
DOORS_OF_JSON: dict[str, Callable[[bytes], object]] = {
    "coins of a replay": lambda body: formats._event(event_line(body)),
    "money of a replay in minor": lambda body: formats._event(money_line(body)),
    "count of a gift": live_count,
    "a checkout that is opened": checkout,
    "a transfer that a provider tells of": provider_says,
}
# Without money the coins' own price holds.
CASES_OF_JSON = sorted(
    set(product(DOORS_OF_JSON, JSON)) - {("money of a replay in minor", b"null")}
)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:20])
@pytest.mark.parametrize("door", DOORS_OF_TEXT)
def test_a_text_that_is_no_amount_is_refused(door: str, text: str) -> None:
    with pytest.raises(REFUSALS) as caught:
        DOORS_OF_TEXT[door](text)
    assert len(str(caught.value)) < 5_200


@pytest.mark.parametrize(("door", "body"), CASES_OF_JSON, ids=ascii)
def test_a_json_value_that_is_no_amount_is_refused(door: str, body: bytes) -> None:
    with pytest.raises(REFUSALS):
        DOORS_OF_JSON[door](body)


@pytest.mark.parametrize("door", sorted(DOORS_OF_TEXT.keys() - {"a checked amount", "an amount"}))
def test_every_door_of_text_takes_a_plain_number(door: str) -> None:
    """All but two, which take whole numbers and no text at all."""
    assert DOORS_OF_TEXT[door]("7")


@pytest.mark.parametrize("door", DOORS_OF_JSON)
def test_every_door_of_json_takes_a_plain_number(door: str) -> None:
    assert DOORS_OF_JSON[door](b"7")


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 2**63, float("nan")], ids=repr)
def test_no_gift_and_no_price_is_made_of_it(value: object) -> None:
    with pytest.raises(DomainError):
        GiftPosting(
            keyed_id(5, key("g")),
            HolderId(5),
            HolderId(6),
            RoomId(1),
            1,
            1,
            value,  # type: ignore[arg-type]
            1,
            0,
            START,
        )
    package = {"coins": 5, "price_minor": value}
    book = {"region": "US", "channel": "web", "version": "x", "currency": "USD"}
    publish = inspect.unwrap(publish_price_book)
    with pytest.raises(DomainError):
        publish({**book, "packages": [package]}, START)
