"""The room's page before the live service speaks: who sees what, and whose token it carries."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from largesse.adapters import clock
from largesse.adapters.postgres.book import DjangoBook
from largesse.catalog.services import load_launch_catalogue
from largesse.gifting import tokens
from largesse.gifting.errors import NotTheCreator, RoomAlreadyOpen
from largesse.gifting.models import Room
from largesse.gifting.services import close_room, open_room
from largesse.ledger import rules
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, RoomId, public_id
from largesse.people.models import User
from tests.adapters.postgres.ledger_world import key as named_key
from tests.conftest import RegisterPerson, SignIn

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture
def room(new_person: RegisterPerson) -> Room:
    """Return an open room of a creator, with the catalogue and prices."""
    load_launch_catalogue(NOW)
    creator = new_person("aria", creator=True)
    return open_room(
        room_id=RoomId(77), creator=creator.holder_key, title="Songs <b>&</b> tea", now=NOW
    )


def address(room: Room) -> str:
    return f"/live/{room.public_id}/"


def facts(html: str) -> dict[str, object]:
    found = re.search(r'<script id="room-facts"[^>]*>(.*?)</script>', html, re.S)
    assert found
    decoded: dict[str, object] = json.loads(found[1])
    return decoded


def test_everybody_may_watch(client: Client, room: Room):
    answer = client.get(address(room))
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "Songs &lt;b&gt;&amp;&lt;/b&gt; tea" in html
    assert "<b>&" not in html
    assert facts(html)["me"] is None
    assert f"/accounts/login/?next=%2Flive%2F{room.public_id}%2F" in html
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("opened", "called"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("[::1]", "localhost")],
)
def test_the_live_service_is_called_by_the_name_of_the_page(
    client: Client, room: Room, opened: str, called: str
):
    port = urlsplit(settings.CONFIG.live_url).port
    answer = client.get(address(room), headers={"host": f"{opened}:8000"})
    assert facts(answer.content.decode())["live"] == f"http://{called}:{port}"
    assert f"http://{called}:{port} " in answer["Content-Security-Policy"]


def test_coins_and_money_stand_beside_each_other(client: Client, room: Room):
    html = client.get(address(room), headers={"accept-language": "en-US"}).content.decode()
    diamond = html[html.index('data-gift="shiny-diamond"') :]
    assert "1,000" in diamond[:900]
    assert "$9.98" in diamond[:900]
    euro = client.get(address(room), headers={"accept-language": "de-DE"}).content.decode()
    assert "€" in euro


def test_a_fan_gets_a_token_for_this_room_alone(
    room: Room, new_person: RegisterPerson, signed_in: SignIn
):
    fan = new_person("mina")
    page = facts(signed_in(fan).get(address(room)).content.decode())
    me = page["me"]
    assert isinstance(me, dict)
    key = tokens.signing_key(settings.CONFIG.secret)
    token = tokens.verify(key, me["token"], room=RoomId(room.id), now=clock.now())
    assert (token.holder, token.role, token.name) == (fan.pk, "fan", fan.holder.display_name)
    assert me["id"] == public_id("usr", fan.pk)


def test_the_coin_icon_leads_to_the_store_and_back(
    room: Room, new_person: RegisterPerson, signed_in: SignIn
):
    html = signed_in(new_person("mina")).get(address(room)).content.decode()
    assert f'href="/store/?room={room.public_id}"' in html


def test_a_long_open_page_renews_its_token(
    client: Client, room: Room, new_person: RegisterPerson, signed_in: SignIn
):
    fan = new_person("mina")
    answer = signed_in(fan).get(address(room) + "token/")
    key = tokens.signing_key(settings.CONFIG.secret)
    token = tokens.verify(key, answer.json()["token"], room=RoomId(room.id), now=clock.now())
    assert token.holder == fan.pk
    assert client.get(address(room) + "token/").status_code == 302


def test_gifts_are_quoted_out_of_the_readers_own_coins(
    client: Client, room: Room, new_person: RegisterPerson, signed_in: SignIn
):
    fan = new_person("mina")
    browser, quote = signed_in(fan), address(room) + "quote/"
    assert browser.get(quote, {"gift": "panda"}).json() == {"coins": 5, "words": ""}
    payment = rules.Payment(Amount(468, asset("USD")), Amount(0, asset("USD")), "web", "rch_x")
    book, holder = DjangoBook(), fan.holder_key
    book.post([rules.bonus_granted(named_key("b"), NOW, holder, 2, "welcome")])
    book.post([rules.recharge_captured(named_key("r"), NOW, holder, 500, payment)])
    assert browser.get(quote, {"gift": "panda"}).json() == {
        "coins": 5,
        "paid": 3,
        "bonus": 2,
        "cost": [{"minor": 2, "currency": "USD"}],
        "words": "5 coins = $0.02 you paid, plus 2 bonus coins at no cost",
    }
    html = browser.get(address(room), headers={"accept-language": "en-US"}).content.decode()
    assert "$0.02" in html[html.index('data-gift="panda"') :][:900]
    assert "$9.98" in html[html.index('data-gift="shiny-diamond"') :][:900]
    assert facts(html)["quote_url"] == quote
    assert browser.get(quote, {"gift": "nothing"}).status_code == 404
    assert browser.get("/live/room_0000000000001/quote/", {"gift": "panda"}).status_code == 404
    assert client.get(quote, {"gift": "panda"}).status_code == 302


def test_creators_are_told_that_they_do_not_gift_themselves(room: Room, signed_in: SignIn):
    html = signed_in(User.objects.get(pk=room.creator)).get(address(room)).content.decode()
    assert "Creators do not gift themselves" in html
    assert re.search(r'data-gift="panda"[^>]* disabled', html)


def test_a_closed_room_says_so_and_takes_nothing(client: Client, room: Room):
    close_room(RoomId(room.id), creator=HolderId(room.creator), now=NOW)
    html = client.get(address(room)).content.decode()
    assert 'data-status="closed"' in html
    assert re.search(r'data-gift="panda"[^>]* disabled', html)
    assert not re.search(r"<p[^>]*data-ended[^>]*hidden", html)


@pytest.mark.parametrize("text", ["room_0000000000001", "room_x", "usr_0000000000001", "1"])
def test_a_room_that_does_not_exist(client: Client, text: str):
    assert client.get(f"/live/{text}/").status_code == 404
    assert client.get("/live/").status_code == 200


def test_the_list_shows_open_rooms_or_what_to_do(client: Client, room: Room):
    assert room.public_id in client.get("/live/").content.decode()
    close_room(RoomId(room.id), creator=HolderId(room.creator), now=NOW)
    html = client.get("/live/").content.decode()
    assert room.public_id not in html
    assert "Nobody is live" in html


def test_only_get_is_answered(client: Client, room: Room):
    assert client.post(address(room)).status_code == 405
    assert client.post("/live/").status_code == 405


# -- Opening and closing -------------------------------------------------------------------------


def test_a_creator_has_one_open_room(room: Room):
    creator = HolderId(room.creator)
    again = open_room(room_id=RoomId(room.id), creator=creator, title="Again", now=NOW)
    assert again.title == room.title
    with pytest.raises(RoomAlreadyOpen):
        open_room(room_id=RoomId(78), creator=creator, title="Another", now=NOW)
    close_room(RoomId(room.id), creator=creator, now=NOW)
    close_room(RoomId(room.id), creator=creator, now=NOW)
    assert open_room(room_id=RoomId(78), creator=creator, title="Another", now=NOW).id == 78


def test_only_the_creator_closes_and_only_creators_open(room: Room, new_person: RegisterPerson):
    fan = new_person("mina").holder_key
    with pytest.raises(NotTheCreator):
        close_room(RoomId(room.id), creator=fan, now=NOW)
    with pytest.raises(NotTheCreator):
        open_room(room_id=RoomId(79), creator=fan, title="Mine", now=NOW)
    other = new_person("noa", creator=True).holder_key
    with pytest.raises(NotTheCreator):
        open_room(room_id=RoomId(room.id), creator=other, title="Mine", now=NOW)
