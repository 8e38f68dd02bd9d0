"""The console: who may see it, what it shows, and that every action is a service behind a POST."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from django.test import Client

from largesse.adapters import clock
from largesse.payouts import services
from largesse.payouts.models import Payout
from largesse.people.models import User
from largesse.web import providers
from tests.conftest import RegisterPerson, SignIn
from tests.earnings.street import Street
from tests.payouts.bank import Bank
from tests.web.pages.signed_in_world import (
    browser_of,
    mature_until_now,
    operator_browser,
    street_of_today,
)

pytestmark = pytest.mark.django_db
IBAN = "DE89370400440532013000"


@pytest.fixture
def street() -> Street:
    return street_of_today()


@pytest.fixture
def mara(new_person: RegisterPerson) -> User:
    return new_person("mara", creator=True)


@pytest.fixture
def operator(new_person: RegisterPerson) -> Client:
    return operator_browser(new_person)


def text(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, response
    return response.content.decode()


PATHS = ("/console/", "/console/search/", "/console/payouts/payout/")


@pytest.mark.parametrize("path", PATHS)
def test_nobody_but_staff_gets_in(client: Client, mara: User, signed_in: SignIn, path: str) -> None:
    assert client.get(path)["Location"].startswith("/accounts/login/")
    assert signed_in(mara).get(path).status_code == 403


@pytest.mark.parametrize("path", PATHS)
def test_staff_without_permissions_see_nothing(new_person: RegisterPerson, path: str) -> None:
    assert operator_browser(new_person, everything=False).get(path).status_code == 403


def test_the_dashboard_of_an_empty_house_is_sound(operator: Client) -> None:
    page = text(operator, "/console/")
    assert "Sound" in page
    assert "Every call of a provider is applied." in page


def test_the_dashboard_shows_balances_that_sum_to_zero(
    street: Street, mara: User, operator: Client
) -> None:
    street.earn(mara.holder_key, 1_000)
    page = text(operator, "/console/")
    assert "creator pending" in page
    assert "gift clearing" not in page
    for balances in operator.get("/console/").context["balances"]:
        assert balances.is_zero


def test_a_broken_book_is_shouted_about(street: Street, mara: User, operator: Client) -> None:
    street.earn(mara.holder_key, 1_000)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_account SET balance = balance + 1 WHERE code = 'redeemed'")
    page = text(operator, "/console/")
    assert "Broken" in page
    assert "redeemed" in page


@pytest.mark.parametrize("query", ["mara", "MAR", "@mara", "mara@example.org", "usr"])
def test_a_person_is_found_by_what_operators_know(mara: User, operator: Client, query: str) -> None:
    query = mara.holder.public_id if query == "usr" else query
    page = operator.get("/console/search/", {"q": query}, headers={"HX-Request": "true"})
    found = page.content.decode()
    assert "<html" not in found
    assert mara.holder.public_id in found


@pytest.mark.parametrize("query", ["", "m", "nobody", "usr_x", "pay_0000000000001", "%", "@"])
def test_nothing_is_found_by_nothing(mara: User, operator: Client, query: str) -> None:
    page = operator.get("/console/search/", {"q": query}).content.decode()
    assert mara.holder.public_id not in page


def test_a_holder_is_explained_by_their_entries(
    street: Street, mara: User, operator: Client
) -> None:
    street.earn(mara.holder_key, 1_000)
    page = text(operator, f"/console/holders/{mara.holder.public_id}/")
    assert "Pending diamonds" in page
    assert "Gifts received" in page
    assert "+500" in page
    assert operator.get("/console/holders/usr_0000000000001/").status_code == 404
    assert operator.get("/console/holders/nonsense/").status_code == 404


@pytest.fixture
def parked(street: Street, mara: User, password: str, monkeypatch: pytest.MonkeyPatch) -> Payout:
    """A payout about which the bank says another amount."""
    bank = Bank()
    monkeypatch.setattr(providers, "transfers", lambda: bank)
    street.earn(mara.holder_key, 10_000)
    mature_until_now(street)
    browser = browser_of(mara, password)
    browser.post("/payouts/destinations/add/", {"kind": "bank", "account": IBAN})
    page = browser.get("/payouts/")
    browser.post(
        "/payouts/request/",
        {
            "key": page.context["key"],
            "diamonds": "5000",
            "destination": page.context["chosen"].public_id,
        },
    )
    payout = Payout.objects.get()
    wrong = replace(bank.transfers[payout.key], amount=payout.gross)
    return services.apply_transfer_state(wrong, book=street.book, now=street.now)


def test_a_parked_payout_waits_for_a_person_with_a_note(parked: Payout, operator: Client) -> None:
    assert parked.public_id in text(operator, "/console/")
    page = f"/console/payout/{parked.public_id}/"
    assert "Release, and ask" in text(operator, page)
    operator.post(f"{page}release/", {"note": " "})
    parked.refresh_from_db()
    assert parked.parked
    operator.post(f"{page}release/", {"note": "The bank corrected itself."})
    parked.refresh_from_db()
    assert not parked.parked
    shown = text(operator, page)
    assert "The bank corrected itself." in shown
    assert IBAN not in shown
    assert operator.get(f"{page}release/").status_code == 405


def test_lists_are_read_only(parked: Payout, operator: Client) -> None:
    for name in (
        "payouts/payout",
        "recharge/order",
        "recharge/notification",
        "earnings/sharepolicy",
        "catalog/pricebook",
        "catalog/gift",
        "finance/dayclose",
        "finance/settlement",
    ):
        assert operator.get(f"/console/{name}/").status_code == 200
        assert operator.get(f"/console/{name}/add/").status_code == 403
    change = f"/console/payouts/payout/{parked.pk}/change/"
    assert operator.get(change).status_code == 200
    assert operator.post(change, {"status": "settled"}).status_code == 403


@pytest.fixture
def sandbox(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the sandbox on, with a clock that nobody else reads."""
    settings.CONFIG = replace(settings.CONFIG, sandbox=True)
    monkeypatch.setattr(clock, "_clock", clock.Clock(_offset))


def _offset() -> int:
    with connection.cursor() as cursor:
        cursor.execute(clock.READ_OFFSET_SQL)
        return int(cursor.fetchone()[0])


@pytest.mark.usefixtures("sandbox")
def test_the_test_clock_goes_forward_and_lets_diamonds_mature(mara: User, operator: Client) -> None:
    street = Street(clock.now())
    street.earn(mara.holder_key, 1_000)
    assert "8 days ahead" in text(operator, "/console/")
    before = clock.now()
    response = operator.post("/console/clock/", {"days": "8"}, follow=True)
    assert "500 diamonds of 1 creators matured" in response.content.decode()
    assert (clock.now() - before).days == 8
    for days in ("0", "-1", "367", "", "many"):
        operator.post("/console/clock/", {"days": days})
    assert (clock.now() - before).days == 8


def test_without_a_sandbox_there_is_no_test_clock(operator: Client) -> None:
    assert "Test clock" not in text(operator, "/console/")
    assert operator.post("/console/clock/", {"days": "1"}).status_code == 404
