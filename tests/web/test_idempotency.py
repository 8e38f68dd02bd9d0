"""The contract of idempotency keys on forms: a row per case, for orders and payouts.

Pages answer with a redirection and a sentence. Two requests at once are told apart by the database
(the unique index of orders, the lane of the creator's bucket), so nobody is asked to come back:
tests/recharge/test_races.py and tests/payouts/test_concurrency.py press at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models import Model
from django.test import Client

from largesse.adapters import clock
from largesse.catalog.models import CoinPackage
from largesse.catalog.services import load_launch_catalogue
from largesse.money.ids import keyed_id, uuid7
from largesse.payouts.models import Payout
from largesse.recharge.models import Order
from largesse.web import providers
from tests.conftest import RegisterPerson
from tests.payouts.bank import Bank
from tests.recharge.till import Till
from tests.web.pages.signed_in_world import browser_of, mature_until_now, street_of_today

pytestmark = pytest.mark.django_db
IBAN = "DE89370400440532013000"
UUID4 = "8f14e45f-ceea-467f-a0e6-9a2f5f6b8a3d"
DAY = timedelta(days=1)


def key_made(ago: timedelta) -> str:
    return str(uuid7(int((clock.now() - ago).timestamp() * 1000), secrets.token_bytes(10)))


@dataclass
class Form:
    """A form that takes a key: where it goes, what it holds, and whose it is."""

    path: str
    table: type[Model]
    fields: dict[str, str]
    other: dict[str, str]
    refusal: str
    stored_key: Callable[[UUID], UUID]
    browser: Client
    stranger: Client
    strangers: dict[str, str] = field(default_factory=dict)

    def send(self, **change: str) -> str:
        """Send it; returns where it leads."""
        return self.send_from(self.browser, **change)

    def send_from(self, browser: Client, **change: str) -> str:
        """Send it from somebody's browser; returns where it leads."""
        answer = browser.post(self.path, {**self.fields, **change})
        assert answer.status_code == 302
        return answer["Location"]

    def done(self) -> int:
        return self.table._default_manager.count()

    def said(self) -> str:
        """Return the page that a person is sent to, as text."""
        page = self.browser.get(self.path.rsplit("/", 2)[0] + "/").content.decode()
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.fixture
def order_form(new_person: RegisterPerson, monkeypatch: pytest.MonkeyPatch, password: str) -> Form:
    load_launch_catalogue(clock.now() - DAY)
    till = Till()
    monkeypatch.setattr(providers, "checkouts", lambda: till)
    dear, cheap = (CoinPackage.objects.get(book__region="US", coins=n).pk for n in (1200, 500))
    return Form(
        path="/store/orders/",
        table=Order,
        fields={"pick": f"{dear}:1"},
        other={"pick": f"{cheap}:1"},
        refusal="This order was placed with other packages.",
        stored_key=lambda key: key,
        browser=browser_of(new_person("mina"), password),
        stranger=browser_of(new_person("noa"), password),
    )


@pytest.fixture
def payout_form(new_person: RegisterPerson, monkeypatch: pytest.MonkeyPatch, password: str) -> Form:
    bank = Bank()
    monkeypatch.setattr(providers, "transfers", lambda: bank)
    street, browsers, places = street_of_today(), [], []
    creators = [new_person(name, creator=True) for name in ("mara", "nils")]
    for creator in creators:
        street.earn(creator.holder_key, 10_000)
    mature_until_now(street)
    for creator in creators:
        browser = browser_of(creator, password)
        browser.post("/payouts/destinations/add/", {"kind": "bank", "account": IBAN})
        page = browser.get("/payouts/").content.decode()
        places.append(re.findall(r'name="destination" value="([^"]+)"', page)[0])
        browsers.append(browser)
    return Form(
        path="/payouts/request/",
        table=Payout,
        fields={"diamonds": "2000", "destination": places[0]},
        other={"diamonds": "1500"},
        refusal="This key was used for another payout.",
        stored_key=lambda key: keyed_id(creators[0].holder_key, key),
        browser=browsers[0],
        stranger=browsers[1],
        strangers={"destination": places[1]},
    )


@pytest.fixture(params=["order_form", "payout_form"])
def form(request: pytest.FixtureRequest) -> Form:
    """Return each form that takes a key."""
    found: Form = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "must be a UUIDv7"),
        ("today", "must be a UUIDv7"),
        (UUID4, "must be a UUIDv7"),
        (DAY + timedelta(minutes=1), "open for more than a day"),
        (31 * DAY, "open for more than a day"),
        (-timedelta(minutes=6), "open for more than a day"),
    ],
)
def test_a_key_that_cannot_begin_anything_is_told_what_to_do(
    form: Form, key: str | timedelta, says: str
):
    form.send(key=key if isinstance(key, str) else key_made(key))
    assert form.done() == 0
    assert says in form.said()


@pytest.mark.parametrize("ago", [timedelta(0), DAY - timedelta(minutes=1), -timedelta(minutes=4)])
def test_a_key_within_its_window_begins_something(form: Form, ago: timedelta):
    form.send(key=key_made(ago))
    assert form.done() == 1


def test_the_same_request_leads_to_the_same_place_and_another_one_is_refused(form: Form):
    key = key_made(timedelta(0))
    assert form.send(key=key) == form.send(key=key)
    form.send(key=key, **form.other)
    assert form.done() == 1
    assert form.refusal in form.said()


def test_a_key_that_stands_is_answered_for_ever(form: Form):
    key, old = key_made(timedelta(0)), key_made(31 * DAY)
    first = form.send(key=key)
    stored = form.table._default_manager.filter(key=form.stored_key(UUID(key)))
    assert stored.update(key=form.stored_key(UUID(old))) == 1
    assert form.send(key=old) == first
    assert form.done() == 1


def test_two_people_never_share_a_key(form: Form):
    key = key_made(timedelta(0))
    first = form.send(key=key)
    second = form.send_from(form.stranger, key=key, **form.strangers)
    assert first != second
    assert form.done() == 2
