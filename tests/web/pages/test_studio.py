"""The studio shows a creator's own figures, each of which stands in the ledger."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from largesse.adapters.postgres.earned import EarnedDay
from largesse.adapters.postgres.reading import Change, Entry
from largesse.earnings.rules import waterfall
from largesse.earnings.selectors import policy_by_number
from largesse.gifting.models import RoomTally
from largesse.gifting.selectors import open_room_of, rooms_of
from largesse.people.models import User
from largesse.web.pages import statement_words, studio_views
from tests.conftest import RegisterPerson, SignIn
from tests.earnings.street import Street
from tests.web.pages.signed_in_world import mature_until_now, street_of_today

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture
def street() -> Street:
    return street_of_today()


@pytest.fixture
def mara(new_person: RegisterPerson) -> User:
    return new_person("mara", creator=True)


def text(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_a_stranger_signs_in_and_a_fan_is_told_how_to_become_a_creator(
    client: Client, new_person: RegisterPerson, signed_in: SignIn
) -> None:
    assert client.get("/studio/").status_code == 302
    fan = new_person("fan")
    browser = signed_in(fan)
    assert "Become a creator" in text(browser, "/studio/")
    assert browser.get("/studio/statement/")["Location"] == "/studio/"
    browser.post("/studio/join/")
    assert "Open my room" in text(browser, "/studio/")


def test_an_empty_studio_says_what_to_do_first(mara: User, signed_in: SignIn) -> None:
    page = text(signed_in(mara), "/studio/")
    assert "No gifts yet" in page
    assert "Nothing is pending" in page


def test_the_studio_shows_pending_available_earned_and_gifts(
    street: Street, mara: User, signed_in: SignIn
) -> None:
    street.earn(mara.holder_key, 20_000)
    mature_until_now(street)
    street.earn(mara.holder_key, 3_001)
    page = text(signed_in(mara), "/studio/")
    assert "10,000" in page
    assert "$89.11" in page
    assert "1,500" in page
    assert "1 gifts, 3,001 coins" in page
    assert "When your pending diamonds become available" in page
    assert page.count("<rect class=") == 1
    assert "share-2026-11" in page


def test_top_supporters_come_from_the_creators_own_rooms(
    mara: User, new_person: RegisterPerson, signed_in: SignIn
) -> None:
    browser = signed_in(mara)
    browser.post("/studio/room/open/", {"title": "Paints the harbour"})
    (room,) = rooms_of(mara.holder_key)
    noor = new_person("noor")
    RoomTally.objects.create(room=room.pk, fan=noor.pk, coins=9_999, gifts=1)
    RoomTally.objects.create(room=room.pk + 1, fan=noor.pk, coins=1, gifts=1)
    page = text(browser, "/studio/")
    assert "noor" in page
    assert "9,999" in page


def test_a_room_is_opened_once_and_closed_by_its_creator_only(
    mara: User, new_person: RegisterPerson, signed_in: SignIn
) -> None:
    browser = signed_in(mara)
    browser.post("/studio/room/open/", {"title": ""})
    assert open_room_of(mara.holder_key) is None
    for _ in range(2):
        browser.post("/studio/room/open/", {"title": "Paints the harbour"})
    (room,) = rooms_of(mara.holder_key)
    other = signed_in(new_person("ilse", creator=True))
    assert other.post("/studio/room/close/", {"room": room.public_id}).status_code == 404
    assert other.post("/studio/room/close/", {"room": "nonsense"}).status_code == 404
    assert open_room_of(mara.holder_key) == room
    browser.post("/studio/room/close/", {"room": room.public_id})
    assert open_room_of(mara.holder_key) is None


def test_the_statement_pages_through_everything_and_signs_its_cursor(
    street: Street, mara: User, new_person: RegisterPerson, signed_in: SignIn
) -> None:
    for _ in range(35):
        street.earn(mara.holder_key, 2)
    browser = signed_in(mara)
    first = text(browser, "/studio/statement/")
    assert first.count("Gifts received") == 25
    assert first.count("1 gift of 2 coins became 1 diamond under share policy ") == 25
    cursor = first.split("?before=")[1].split('"')[0]
    second = text(browser, f"/studio/statement/?before={cursor}")
    assert second.count("Gifts received") == 10
    assert "That is all." in second
    assert browser.get(f"/studio/statement/?before=x{cursor}").status_code == 404
    other = signed_in(new_person("ilse", creator=True))
    assert other.get(f"/studio/statement/?before={cursor}").status_code == 404


def test_the_file_holds_every_entry_with_the_balance_after_it(
    street: Street, mara: User, signed_in: SignIn
) -> None:
    for _ in range(3):
        street.earn(mara.holder_key, 200)
    mature_until_now(street)
    response = signed_in(mara).get("/studio/statement.csv")
    content = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(content)))
    pending = [row for row in rows if row["account"] == "creator_pending"]
    assert [(row["change"], row["balance_after"]) for row in pending] == [
        ("-300", "0"),
        ("100", "300"),
        ("100", "200"),
        ("100", "100"),
    ]
    assert {row["share_policy"] for row in rows if row["event"] == "earning"} == {"share-2026-11"}


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_no_text_of_a_file_is_a_formula_and_negative_numbers_stay_numbers(cell: str) -> None:
    change = Change("creator_pending", "DIAMOND", -5, 10)
    entry = Entry(64, 1, START, "maturity", cell, (change,), {"policy": cell})
    _, row = statement_words.csv_rows([entry])
    assert row[2] == row[8] == f"'{cell}"
    assert row[5] == -5


# --- Views without a database --------------------------------------------------------------------


def test_bars_are_the_days_of_the_queue_and_the_tallest_fills_the_drawing() -> None:
    policy = policy_by_number(1)
    rows = [(START + timedelta(hours=hours), 10) for hours in range(0, 24 * 12, 12)]
    chart = studio_views.maturing_chart(rows, policy)
    assert len(chart.bars) == 8
    assert sum(bar.diamonds for bar in chart.bars) == 240
    assert max(bar.height for bar in chart.bars) == 124
    assert all(bar.x >= 0 and bar.x + bar.width <= 320 for bar in chart.bars)
    assert studio_views.maturing_chart([], policy).bars == ()


def test_the_waterfall_of_the_page_sums_line_by_line() -> None:
    policy = policy_by_number(1)
    share = studio_views.share(policy)
    gross, tax, fee, net, platform, creator = (step.amount.minor for step in share.steps)
    assert gross - tax - fee == net == platform + creator
    assert waterfall(1_000, policy).creator.minor == creator
    assert share.percent == "50"


def test_a_week_is_seven_days_with_today() -> None:
    first = studio_views.week_start(START)
    assert first == datetime(2026, 11, 16, tzinfo=UTC)
    days = [EarnedDay(first.date() + timedelta(days=number), 1, 10, 5) for number in range(7)]
    assert studio_views.earned_since(days, first.date()).diamonds == 35
    assert studio_views.earned_since(days, START.date()).coins == 10
