"""The receipt pages: one's own only, in plain words, proved on the spot, with files to keep."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.db import connection

import verify_receipt
from largesse.adapters import clock
from largesse.adapters.postgres import book as django_book
from largesse.adapters.postgres import sealing, statements
from largesse.adapters.postgres.book import DjangoBook
from largesse.catalog.selectors import gifts_by_code
from largesse.catalog.services import load_launch_catalogue
from largesse.ledger import rules
from largesse.ledger.gifts import GiftPosting
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import RoomId, creator_bucket, keyed_id, public_id
from largesse.web.pages import receipts
from tests.recharge.counter import new_key

RCH, PAY = public_id("rch", 77), public_id("pay", 78)


@pytest.fixture
def world(settings, tmp_path, new_person, db):
    """A fan who recharged and gave, and a creator whose payout arrived."""
    settings.CONFIG = replace(settings.CONFIG, data_dir=tmp_path)
    load_launch_catalogue(clock.now())
    fan, creator = new_person("wilhelmina"), new_person("milo", creator=True)
    dollars = asset("USD")
    price = rules.Payment(Amount(999, dollars), Amount(83, dollars), "web", RCH)
    book, now = DjangoBook(), clock.now()
    book.post([rules.recharge_captured(new_key(), now, fan.holder_key, 1200, price)])
    return fan, creator


def give(fan, creator, coins=200):
    code = next(iter(gifts_by_code()))
    key = keyed_id(fan.pk, new_key())
    posting = GiftPosting(
        key, fan.holder_key, creator.holder_key, RoomId(9), code, 2, coins, 1, 0, clock.now()
    )
    assert django_book.run(statements.post_gifts([posting]))[0].outcome == "posted"
    return f"gft_{key}"


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_fan_and_creator_each_see_their_own_side(world, signed_in):
    fan, creator = world
    name = give(fan, creator)
    page = signed_in(fan).get(f"/receipts/{name}/")
    text = text_of(page)
    assert page.status_code == 200
    assert "You gave a gift" in text
    assert "200" in text
    assert creator.holder.display_name in text
    assert "Proved" in text
    assert "It is in the log" in text
    other = text_of(signed_in(creator).get(f"/receipts/{name}/"))
    assert "You received a gift" in other
    assert fan.holder.display_name not in other
    assert fan.holder.public_id not in other


def test_the_files_are_what_the_stand_alone_verifier_reads(world, signed_in, client):
    fan, creator = world
    name = give(fan, creator)
    browser = signed_in(fan)
    key = client.get("/receipts/key.txt").content.decode().strip()
    receipt = browser.get(f"/receipts/{name}/receipt.json")
    held = browser.get(f"/receipts/{name}/checkpoint.txt")
    assert receipt["Content-Disposition"] == f'attachment; filename="{name}.json"'
    assert (
        verify_receipt.check(receipt.content, held.content, trusted=key) == "leaf 1 of 2"
        ", in the log of 2"
    )
    theirs = signed_in(creator).get(f"/receipts/{name}/receipt.json")
    assert b'"side": "creator"' in theirs.content
    assert verify_receipt.check(theirs.content, held.content, trusted=key)


def test_a_recharge_says_its_price(world, signed_in):
    fan, _creator = world
    text = text_of(signed_in(fan).get(f"/receipts/{RCH}/"))
    assert "You bought coins" in text
    assert "1,200" in text
    assert "$9.99" in text
    assert "$0.83" in text


def test_a_payout_says_what_arrived(world, signed_in):
    _fan, creator = world
    holder, book, now, dollars = creator.holder_key, DjangoBook(), clock.now(), asset("USD")
    bucket = creator_bucket(holder)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_account (bucket, holder, code, asset, balance, below_zero) "
            "VALUES (%s, %s, 'creator_held', 'DIAMOND', 100, false)",
            (bucket, holder),
        )
    gross, fee = Amount(150, dollars), Amount(25, dollars)
    book.post([rules.payout_settled(new_key(), now, holder, 100, gross, fee, PAY)])
    text = text_of(signed_in(creator).get(f"/receipts/{PAY}/"))
    assert "Your payout arrived" in text
    assert "Diamonds 100" in text
    assert "$1.25" in text
    assert "$0.25" in text
    book.post([rules.payout_bounced(new_key(), now, holder, 100, gross, fee, PAY, "recalled")])
    assert "Proved" in text_of(signed_in(creator).get(f"/receipts/{PAY}/"))


def test_what_is_anothers_looks_like_what_does_not_exist(world, signed_in, new_person):
    fan, creator = world
    name = give(fan, creator)
    stranger = signed_in(new_person("stranger"))
    for path in (name, RCH, "gft_019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21", "rch_none", "x"):
        for file in ("", "receipt.json", "checkpoint.txt"):
            assert stranger.get(f"/receipts/{path}/{file}").status_code == 404
    assert signed_in(creator).get(f"/receipts/{RCH}/").status_code == 404


def test_strangers_to_the_site_are_sent_to_sign_in(client, world):
    answer = client.get(f"/receipts/{RCH}/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_a_long_backlog_is_said_to_be_under_way(world, signed_in, new_person, monkeypatch):
    fan, creator = world
    monkeypatch.setattr(receipts, "_MOST_STEPS", 0)
    name = give(fan, creator)
    page = signed_in(fan).get(f"/receipts/{name}/")
    assert "follows within a minute" in text_of(page)
    assert signed_in(fan).get(f"/receipts/{name}/receipt.json").status_code == 404
    assert signed_in(new_person("other")).get(f"/receipts/{name}/").status_code == 404


def test_changed_books_are_said_to_be_changed(world, signed_in, new_person):
    fan, creator = world
    name = give(fan, creator)
    browser = signed_in(fan)
    before = browser.get(f"/receipts/{name}/receipt.json").content
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_gift SET coins = 150")
    page = browser.get(f"/receipts/{name}/")
    assert page.status_code == 409
    assert "The books do not match the proof" in text_of(page)
    assert signed_in(new_person("other")).get(f"/receipts/{name}/").status_code == 404
    assert verify_receipt.check(before)


def test_a_proof_that_does_not_hold_says_which_part(world, signed_in):
    fan, creator = world
    name = give(fan, creator)
    browser = signed_in(fan)
    browser.get(f"/receipts/{name}/")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_log_checkpoint SET note = replace(note, E'\\n2\\n', E'\\n3\\n')"
        )
    text = text_of(browser.get(f"/receipts/{name}/"))
    assert "This receipt does not hold" in text
    assert "signature" in text
    assert "Proved" not in text
    assert sealing.STEP_LEAVES > 0


def test_the_wallet_leads_to_the_receipt_of_a_gift(world, signed_in):
    fan, creator = world
    name = give(fan, creator)
    assert f'href="/receipts/{name}/"'.encode() in signed_in(fan).get("/wallet/history/").content


def test_a_gift_shows_what_it_really_cost_and_which_recharge_paid_for_it(world, signed_in):
    fan, creator = world
    bonus = rules.bonus_granted(new_key(), clock.now(), fan.holder_key, 60, "welcome")
    DjangoBook().post([bonus])
    name = give(fan, creator, coins=500)
    page = signed_in(fan).get(f"/receipts/{name}/")
    text = text_of(page)
    assert "500 coins = $3.66 you paid, plus 60 bonus coins at no cost" in text
    assert f'href="/store/orders/{RCH}/"' in page.content.decode()
    document = signed_in(fan).get(f"/receipts/{name}/cost.json").json()
    assert document == {
        "id": name,
        "coins": 500,
        "paid": 440,
        "bonus": 60,
        "cost": [{"minor": 366, "currency": "USD"}],
        "words": "500 coins = $3.66 you paid, plus 60 bonus coins at no cost",
        "lots": [
            {"lot": "welcome", "bonus": True, "coins": 60, "minor": 0, "currency": ""},
            {"lot": RCH, "bonus": False, "coins": 440, "minor": 366, "currency": "USD"},
        ],
    }


def test_what_a_gift_cost_is_its_fans_business(world, signed_in, new_person, client):
    fan, creator = world
    name = give(fan, creator)
    assert "really cost" not in text_of(signed_in(creator).get(f"/receipts/{name}/"))
    for stranger in (creator, new_person("noor")):
        assert signed_in(stranger).get(f"/receipts/{name}/cost.json").status_code == 404
    assert client.get(f"/receipts/{name}/cost.json").status_code == 302
    assert signed_in(fan).get(f"/receipts/{RCH}/cost.json").status_code == 404
    assert "really cost" not in text_of(signed_in(fan).get(f"/receipts/{RCH}/"))
