"""`largesse trace`: every kind of id, both ways, and a clear refusal of what is unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from largesse.gifting.rules import gift_public_id
from largesse.ledger.explain import place
from largesse.money.ids import OrderId, PayoutId, creator_bucket, fan_bucket, public_id
from largesse.payouts.models import Payout
from largesse.people.services import HolderRow, import_holders
from largesse.recharge.models import Order
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    DjangoDriver,
    empty_ledger,
    key,
    known_policies,
    rows,
)
from tests.commands.conftest import Largesse
from tests.finance.export_world import ANN, BEN, CREATOR, tell_story

pytestmark = [COMMITTED, pytest.mark.usefixtures("story", "on_tests_database")]


@pytest.fixture
def story(transactional_db: None) -> Iterator[None]:
    empty_ledger()
    people = [
        HolderRow(ANN, "ann", "Ann [b]", False),
        HolderRow(BEN, "ben", "Ben", False),
        HolderRow(CREATOR, "cleo", "Cleo", True),
    ]
    import_holders(people, START)
    with known_policies():
        tell_story(DjangoDriver())
        yield
    empty_ledger()
    rows("DELETE FROM people_holder")
    rows("DELETE FROM recharge_order")


def traced(largesse: Largesse, name: str) -> list[dict[str, Any]]:
    answer = largesse("trace", name, "--json")
    assert answer.code == 0, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)["found"]
    return found


def journal(event: str, reference: str = "%") -> str:
    [(bucket, seq), *_] = rows(
        "SELECT bucket, seq FROM ledger_journal WHERE event = %s AND reference LIKE %s "
        "ORDER BY bucket, seq",
        event,
        reference,
    )
    return place(bucket, seq)


def test_a_gift_and_its_lots_lead_to_each_other(largesse: Largesse) -> None:
    [(seq, coins)] = rows(
        "SELECT seq, coins FROM ledger_gift WHERE fan = %s ORDER BY coins DESC LIMIT 1", BEN
    )
    [gift] = traced(largesse, gift_public_id(BEN, seq))
    assert (gift["kind"], gift["coins"], gift["fan"]["name"]) == ("gift", coins, "Ben")
    assert sum(source["coins"] for source in gift["sources"]) == coins
    assert gift["earning"]["diamonds"] > 0
    [source] = gift["sources"]
    [lot] = traced(largesse, source["lot"]["place"])
    assert lot["reference"] == source["lot"]["reference"] == "rch_ben"
    assert lot["coins"] == sum(lot[part]["coins"] for part in ("spent", "void", "unspent"))
    assert lot["price_minor"] == sum(lot[part]["minor"] for part in ("spent", "void", "unspent"))
    assert [one["coins"] for one in lot["gifts"] if one["id"] == gift["id"]] == [coins]
    assert sum(one["minor"] for one in lot["gifts"]) == lot["spent"]["minor"]
    assert {part["event"] for part in lot["voided"]} == {"refund"}
    assert traced(largesse, journal("refund")) == [lot]
    assert traced(largesse, place(fan_bucket(BEN), seq)) == [gift]
    [(key_,)] = rows("SELECT id FROM ledger_gift WHERE fan = %s AND seq = %s", BEN, seq)
    assert traced(largesse, f"gft_{key_}") == [gift]


def test_an_order_and_a_payout_go_by_their_ids(largesse: Largesse) -> None:
    order_id, payout_id = OrderId(77), PayoutId(78)
    order, payout = public_id("rch", order_id), public_id("pay", payout_id)
    Order.objects.create(
        id=order_id,
        key=key("order"),
        holder=BEN,
        coins=1,
        price_minor=1,
        tax_minor=0,
        currency="USD",
        region="US",
        channel="web",
        price_book=1,
        packages={},
        provider="sandbox",
        created_at=START,
        expires_at=START,
    )
    answer = largesse("trace", order)
    assert answer.code == 1
    assert "has brought no coins" in answer.err
    rows("UPDATE ledger_lot SET reference = %s WHERE reference = 'rch_ben'", order)
    [lot] = traced(largesse, order)
    assert (lot["kind"], lot["reference"], lot["fan"]["name"]) == ("lot", order, "Ben")
    rows("UPDATE ledger_journal SET reference = %s WHERE reference = 'pay_1'", payout)
    assert not Payout.objects.filter(pk=payout_id).exists()
    standing = journal("payout_requested", payout)
    came_back = largesse("trace", standing)
    assert came_back.code == 1
    assert "came back" in came_back.err


def test_a_payout_is_made_of_earnings(largesse: Largesse) -> None:
    rows("DELETE FROM ledger_journal WHERE event = 'payout_returned' AND reference = 'pay_1'")
    [payout] = traced(largesse, journal("payout_settled"))
    assert (payout["kind"], payout["id"], payout["state"]) == ("payout", "pay_1", "paid")
    assert sum(one["taken"] for one in payout["earnings"]) == payout["diamonds"] == 400
    assert payout["creator"]["name"] == "Cleo"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gft_0000000000001", "There is no gift"),
        ("gft_019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21", "No sealed gift"),
        ("gft_!", "is not an id of the form"),
        (gift_public_id(BEN, 9_999), "There is no gift"),
        ("b005-99999", "There is no gift"),
        ("b999-1", "There is no gift"),
        ("rch_000000000000z", "No sealed gift, recharge or ended payout"),
        ("rch_!", "is not an id of the form"),
        ("pay_0000000000001", "No sealed gift, recharge or ended payout"),
        ("nothing", "No sealed gift, recharge or ended payout"),
        ("", "No sealed gift, recharge or ended payout"),
    ],
)
def test_what_is_unknown_is_refused_with_a_sentence(
    largesse: Largesse, name: str, said: str
) -> None:
    answer = largesse("trace", name)
    assert answer.code == 1
    assert said in answer.err
    assert answer.out == ""


def test_a_posting_without_coins_of_a_lot_says_so(largesse: Largesse) -> None:
    answer = largesse("trace", journal("earning"))
    assert answer.code == 1
    assert "no lot of coins moved there" in answer.err


def test_people_read_tables_and_no_name_steers_them(largesse: Largesse) -> None:
    [(seq,)] = rows("SELECT min(seq) FROM ledger_gift WHERE fan = %s", ANN)
    gift = largesse("trace", gift_public_id(ANN, seq)).out
    assert "Ann [b] to Cleo" in gift
    assert "bonus" in gift
    lot = largesse("trace", journal("recharge", "rch_ben")).out
    for words in ("given away", "unspent", "refund b", "gifts drew on it", "JPY"):
        assert words in lot
    rows("DELETE FROM ledger_journal WHERE event = 'payout_returned' AND reference = 'pay_1'")
    payout = largesse("trace", journal("payout_settled")).out
    assert "Payout pay_1 of 400 diamonds to Cleo, paid" in payout
    assert f"b{creator_bucket(CREATOR):03}" in payout
