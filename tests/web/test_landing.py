"""The front page for strangers, fans and creators."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django import Settings

from largesse.gifting.services import close_room, open_room
from largesse.money.ids import HolderId, RoomId, id_from_name
from tests.conftest import RegisterPerson, SignIn

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ROOM = RoomId(id_from_name("tests", "room"))


def words_of(client: Client) -> str:
    return client.get("/").content.decode()


def test_a_stranger_may_sign_up_and_reads_no_balance(client: Client) -> None:
    words = words_of(client)
    assert "/accounts/signup/" in words
    assert "coins--pill" not in words
    assert "Live now" not in words


def test_open_rooms_are_shown_with_their_host_and_closed_ones_are_not(
    client: Client, new_person: RegisterPerson
) -> None:
    host = HolderId(new_person("ada", creator=True).pk)
    open_room(room_id=ROOM, creator=host, title="Paints <the> harbour", now=NOW)
    words = words_of(client)
    assert "Live now" in words
    assert "Paints &lt;the&gt; harbour" in words
    assert "ada" in words
    close_room(ROOM, creator=host, now=NOW)
    assert "harbour" not in words_of(client)


def test_the_number_of_questions_to_the_database_is_fixed(
    client: Client, new_person: RegisterPerson, django_assert_num_queries
) -> None:
    for name in ("ada", "bo", "cy"):
        host = HolderId(new_person(name, creator=True).pk)
        room = RoomId(id_from_name("tests", f"room of {name}"))
        open_room(room_id=room, creator=host, title="Live", now=NOW)
    with django_assert_num_queries(3):  # rooms, hosts, totals
        client.get("/")


def test_a_creator_is_led_on_and_a_fan_may_become_one(
    new_person: RegisterPerson, signed_in: SignIn
) -> None:
    assert "Become a creator" in words_of(signed_in(new_person()))
    assert "Create an account" not in words_of(signed_in(new_person()))


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_the_page_runs_in_the_direction_of_its_language(
    client: Client, settings: Settings, language: str, direction: str
) -> None:
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    page = client.get("/", headers={"accept-language": language}).content.decode()
    assert f'<html lang="{language}" dir="{direction}">' in page


def test_only_reading_is_possible(client: Client) -> None:
    assert client.post("/").status_code == 405


def test_a_fan_sees_their_coins_in_the_bar(new_person: RegisterPerson, signed_in: SignIn) -> None:
    words = words_of(signed_in(new_person()))
    assert re.search(r'coins--pill" href="/wallet/">0\s+<span class="coins__unit">coins', words)
