"""The demo world: alive, balanced, made once, and open to its three visitors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from django.db import connection
from django.test import Client

from largesse.adapters.postgres import checks
from largesse.adapters.postgres.reading import balances, maturing, statement
from largesse.catalog.services import load_launch_catalogue
from largesse.gifting.selectors import open_rooms, rooms_of
from largesse.ledger.accounts import Account
from largesse.payouts.selectors import payouts_of
from largesse.people.models import Holder, User
from largesse.simulator.cast import FANS, HOSTS, VISITOR, sign_ins
from largesse.simulator.world import make_world

pytestmark = pytest.mark.django_db
SECRET = "a secret of at least twenty-four bytes"
NOW = datetime(2026, 11, 22, 20, 15, tzinfo=UTC)
TABLES = (
    *("ledger_journal", "ledger_gift", "ledger_lot", "ledger_earning", "people_holder"),
    *("people_user", "gifting_room", "payouts_payout", "payouts_destination", "mfa_authenticator"),
)


@pytest.fixture
def world() -> None:
    load_launch_catalogue(NOW - timedelta(days=30))
    make_world(SECRET, now=NOW)


def counts() -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = cursor.fetchone()[0]
        return found


def test_the_books_of_the_world_hold(world: None) -> None:
    assert checks.run_checks() == []


def test_making_it_again_adds_nothing(world: None) -> None:
    before = counts()
    make_world(SECRET, now=NOW + timedelta(hours=5))
    assert counts() == before


def test_every_room_is_open_and_has_a_past(world: None) -> None:
    assert {room.id for room in open_rooms()} == {host.room for host in HOSTS}
    for host in HOSTS:
        assert len(rooms_of(host.player.id)) == 13
        available = balances(host.player.id)[Account.CREATOR_AVAILABLE.code, "DIAMOND"]
        assert available >= 0
        assert maturing(host.player.id), "something is still on hold"


def test_fans_paid_in_several_currencies(world: None) -> None:
    with connection.cursor() as cursor:
        fans = [fan.id for fan in FANS]
        cursor.execute("SELECT DISTINCT currency FROM ledger_lot WHERE holder = ANY (%s)", [fans])
        assert {row[0] for row in cursor.fetchall()} == {"USD", "EUR", "JPY"}
        cursor.execute("SELECT count(DISTINCT fan) FROM ledger_gift WHERE fan = ANY (%s)", [fans])
        assert cursor.fetchone()[0] > len(FANS) // 2


def test_one_payout_is_settled_and_one_came_back(world: None) -> None:
    [settled] = payouts_of(HOSTS[0].player.id)
    [returned] = payouts_of(HOSTS[1].player.id)
    assert (settled.status, returned.status) == ("settled", "returned")
    assert returned.advice.why
    events = {entry.event for entry in statement(HOSTS[1].player.id, 100).entries}
    assert {"payout_requested", "payout_returned", "maturity", "earning"} <= events


def test_the_visitor_has_coins(world: None) -> None:
    assert balances(VISITOR.id)[Account.FAN_PAID.code, "COIN"] == 3_000


def test_history_lies_in_the_past(world: None) -> None:
    with connection.cursor() as cursor:
        hosts = [host.player.id for host in HOSTS]
        cursor.execute("SELECT min(at), max(at) FROM ledger_gift WHERE creator = ANY (%s)", [hosts])
        first, last = cursor.fetchone()
    assert NOW - timedelta(days=13) < first < NOW - timedelta(days=11)
    assert last <= NOW


def test_everybody_can_sign_in_and_staff_with_a_second_factor(world: None) -> None:
    for one in sign_ins(SECRET):
        client = Client()
        client.post("/accounts/login/", {"login": one.email, "password": one.password})
        if one.totp_secret:
            code = pyotp.TOTP(one.totp_secret).now()
            client.post("/accounts/2fa/authenticate/", {"code": code})
        assert client.get("/me/").status_code == 200, one.role
    assert User.objects.get(email=sign_ins(SECRET)[2].email).is_staff
    assert Holder.objects.get(pk=HOSTS[0].player.id).is_creator
