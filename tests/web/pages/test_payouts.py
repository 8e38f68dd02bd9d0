"""From diamonds to money in a browser: honest preview, one request, every state explained."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from largesse.ledger.accounts import Account
from largesse.money.errors import Unavailable
from largesse.payouts import services
from largesse.payouts.models import Destination, Payout
from largesse.payouts.rules import Status
from largesse.people.models import User
from largesse.web import providers
from tests.conftest import RegisterPerson, SignIn
from tests.earnings.street import Street
from tests.payouts.bank import Bank
from tests.web.pages.signed_in_world import browser_of, mature_until_now, street_of_today

pytestmark = pytest.mark.django_db
IBAN = "DE89370400440532013000"


@pytest.fixture
def street() -> Street:
    return street_of_today()


@pytest.fixture
def mara(new_person: RegisterPerson) -> User:
    return new_person("mara", creator=True)


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Bank:
    """Let the pages send money through a bank of this test."""
    bank = Bank()
    monkeypatch.setattr(providers, "transfers", lambda: bank)
    return bank


@pytest.fixture
def browser(street: Street, mara: User, password: str) -> Client:
    """A creator with 5,000 available diamonds and a bank account."""
    street.earn(mara.holder_key, 10_000)
    mature_until_now(street)
    client = browser_of(mara, password)
    client.post("/payouts/destinations/add/", {"kind": "bank", "account": IBAN})
    return client


def text(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def hidden(page: str) -> dict[str, str]:
    """Return the fields of the form that requests the payout."""
    form = page.split('action="/payouts/request/"')[1].split("</form>", maxsplit=1)[0]
    return dict(re.findall(r'name="(key|diamonds|destination)" value="([^"]+)"', form))


def test_a_new_creator_is_told_what_is_missing(mara: User, password: str) -> None:
    page = text(browser_of(mara, password), "/payouts/")
    assert "We do not know yet where to send your money." in page
    assert "No payouts yet" in page


def test_only_creators_get_here(
    client: Client, new_person: RegisterPerson, signed_in: SignIn
) -> None:
    assert client.get("/payouts/")["Location"].startswith("/accounts/login/")
    fan = signed_in(new_person("fan"))
    assert fan.get("/payouts/")["Location"] == "/studio/"
    assert fan.post("/payouts/request/").status_code == 302


def test_the_preview_is_gross_fee_net_and_what_is_left(browser: Client) -> None:
    page = text(browser, "/payouts/?diamonds=2000")
    for figure in ("$17.82", "−$0.25", "$17.57", "3,000"):
        assert figure in page
    assert "Send $17.57 to DE •••• 3000" in page
    assert hidden(page)["diamonds"] == "2000"


@pytest.mark.parametrize("typed", ["", "abc", "-5", "1.5", "9" * 30, "٣٠٠"])
def test_anything_but_a_number_means_all(browser: Client, typed: str) -> None:
    assert "Send $44.30" in browser.get("/payouts/", {"diamonds": typed}).content.decode()


def test_below_the_minimum_there_is_no_button_but_a_reason(browser: Client) -> None:
    page = text(browser, "/payouts/?diamonds=1122")
    assert "below the smallest payout" in page
    assert "/payouts/request/" not in page


def test_one_press_holds_sends_and_shows_the_payout(browser: Client, bank: Bank) -> None:
    wish = hidden(text(browser, "/payouts/"))
    first = browser.post("/payouts/request/", wish)
    second = browser.post("/payouts/request/", wish)
    payout = Payout.objects.get()
    assert first["Location"] == second["Location"] == f"/payouts/{payout.public_id}/"
    assert payout.status == Status.SENT
    assert bank.destinations == [IBAN]
    page = text(browser, first["Location"])
    assert "Sent to the bank" in page
    assert "hx-get" in page
    assert "$44.30" in text(browser, "/payouts/")


def test_the_page_asks_for_news_and_learns_how_it_ended(
    browser: Client, bank: Bank, street: Street
) -> None:
    browser.post("/payouts/request/", hidden(text(browser, "/payouts/")))
    payout = Payout.objects.get()
    page = text(browser, f"/payouts/{payout.public_id}/")
    watch = page.split('hx-get="')[1].split('"')[0]
    assert browser.get(watch).status_code == 204
    bank.conclude(payout.key, "returned", "account closed")
    services.refresh_payout(payout.public_id, book=street.book, transfers=bank, now=street.now)
    news = text(browser, watch)
    assert "account is closed" in news
    assert "Add another account" in news
    assert "hx-get" not in news
    assert street.book.balance(payout.holder_id, Account.CREATOR_AVAILABLE) == 5_000


def test_without_a_provider_the_request_stands_and_waits(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Bank:
        raise Unavailable("No provider.")

    monkeypatch.setattr(providers, "transfers", missing)
    response = browser.post("/payouts/request/", hidden(text(browser, "/payouts/")))
    assert "about to be sent" in text(browser, response["Location"])
    assert Payout.objects.get().status == Status.REQUESTED


@pytest.mark.parametrize(
    "change",
    [
        {"key": "not a key"},
        {"key": "7f1b1f5e-53a0-4a0e-9a37-7f8f6b1f2f11"},
        {"diamonds": "0"},
        {"diamonds": "-1"},
        {"diamonds": ""},
        {"destination": "dst_0000000000001"},
        {"destination": ""},
    ],
)
def test_a_tampered_request_holds_nothing(browser: Client, change: dict[str, str]) -> None:
    wish = hidden(text(browser, "/payouts/")) | change
    assert browser.post("/payouts/request/", wish)["Location"] == "/payouts/"
    assert not Payout.objects.exists()


def test_anothers_payout_looks_like_none(
    browser: Client, bank: Bank, new_person: RegisterPerson, signed_in: SignIn
) -> None:
    browser.post("/payouts/request/", hidden(text(browser, "/payouts/")))
    payout = Payout.objects.get()
    other = signed_in(new_person("ilse", creator=True))
    paths = [
        f"/payouts/{payout.public_id}/",
        f"/payouts/{payout.public_id}/watch/",
        "/payouts/pay_0000000000001/",
        "/payouts/nonsense/",
    ]
    assert [other.get(path).status_code for path in paths] == [404] * 4
    destination = Destination.objects.get()
    gone = other.post("/payouts/destinations/remove/", {"destination": destination.public_id})
    assert gone.status_code == 404


def test_a_destination_needs_a_fresh_proof_of_who_one_is(mara: User, signed_in: SignIn) -> None:
    stale = signed_in(mara)
    response = stale.get("/payouts/destinations/add/")
    assert response["Location"].startswith("/accounts/reauthenticate/")
    posted = stale.post("/payouts/destinations/add/", {"kind": "bank", "account": IBAN})
    assert posted["Location"] == "/payouts/destinations/add/"
    assert not Destination.objects.exists()
    assert IBAN not in str(dict(stale.session))


def test_a_wrong_number_is_refused_with_the_rules_own_words(browser: Client) -> None:
    wrong = {"kind": "bank", "account": "DE00370400440532013000"}
    response = browser.post("/payouts/destinations/add/", wrong)
    assert response.status_code == 400
    assert "not a valid IBAN" in response.content.decode()


def test_a_destination_is_removed_and_shown_masked_only(browser: Client) -> None:
    page = text(browser, "/payouts/")
    assert "DE •••• 3000" in page
    assert IBAN not in page
    public = Destination.objects.get().public_id
    browser.post("/payouts/destinations/remove/", {"destination": public})
    assert "Add a bank account" in text(browser, "/payouts/")
