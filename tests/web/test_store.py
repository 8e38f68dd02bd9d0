"""The store's pages: honest packages, one order per key, and an order page that knows."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse

from largesse.adapters import clock
from largesse.catalog.models import CoinPackage, PriceBook
from largesse.catalog.services import load_launch_catalogue
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import OutcomeUnknown, Unavailable
from largesse.recharge.models import Order
from largesse.web import providers
from largesse.web.pages import store_views
from tests.recharge.counter import balance, new_key
from tests.recharge.till import Till

AMERICAN = {"HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.9"}


@pytest.fixture
def till(monkeypatch, settings, db) -> Till:
    """Open the store with a till in place of the sandbox's client."""
    load_launch_catalogue(clock.now() - timedelta(days=1))
    till = Till()
    monkeypatch.setattr(providers, "checkouts", lambda: till)
    return till


@pytest.fixture
def fan(new_person):
    return new_person("mina")


@pytest.fixture
def browser(signed_in, fan):
    return signed_in(fan)


def package(coins, region="US"):
    return CoinPackage.objects.get(book__region=region, coins=coins)


def order(browser, *, pick=None, key=None, host="127.0.0.1:8000", **wish):
    return browser.post(
        reverse("store:place"),
        {"pick": pick or f"{package(1200).pk}:1", "key": str(key or new_key(clock.now())), **wish},
        headers={"host": host},
    )


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_the_store_compares_honestly_and_chooses_nothing(client, till):
    page = client.get("/store/", **AMERICAN)
    text = text_of(page)
    assert b"checked" not in page.content
    for unit in ("0.99800", "0.83250", "0.83300", "0.83317"):
        assert f"{unit} ¢ per coin" in text
    assert text.count("Best value: lowest price per coin") == 1
    assert "5 × 1,200 coins" in text
    assert "Costs $0.04 less than the package of 6,000 coins" in text
    assert "Bigger is not cheaper here: 1,200 coins have the lowest price per coin." in text
    assert "You see the prices for United States." in text
    assert "Sign in to buy" in text
    assert "Continue to payment" not in text


def test_the_international_large_package_is_said_to_be_worse(client, till):
    text = text_of(client.get("/store/?region=INTL"))
    assert "1.29000 ¢ per coin" in text
    assert "1.29990 ¢ per coin" in text
    assert "0.77 % more per coin than 100 coins" in text
    assert "100 × 100 coins would cost $0.99 less than the package of 10,000 coins." in text


@pytest.mark.parametrize(
    ("language", "region"),
    [
        ("de", "Euro area"),
        ("en-GB", "International"),
        ("ja", "Japan"),
        ("en", "United States"),
        ("zh-Hant-TW", "International"),
        ("", "International"),
        ("*;;;", "International"),
    ],
)
def test_the_region_follows_the_browser_and_says_so(client, till, language, region):
    text = text_of(client.get("/store/", HTTP_ACCEPT_LANGUAGE=language))
    assert f"You see the prices for {region}." in text


def test_a_chosen_region_stays_chosen(client, till):
    client.get("/store/?region=JP", **AMERICAN)
    text = text_of(client.get("/store/?region=MARS", **AMERICAN))
    assert "¥1,600" in text
    assert "¥1.33333 per coin" in text
    assert "You chose these prices." in text
    assert "Tax inside the price" in text


def test_the_exact_shortfall_is_answered(client, till):
    text = text_of(client.get("/store/?need=180&gift=panda", **AMERICAN))
    assert "You need 180 more coins to send Panda." in text
    assert "Smallest that is enough, 320 coins left over" in text
    text = text_of(client.get("/store/?need=7000", **AMERICAN))
    assert "1,000 coins short" in text
    assert "The cheapest way to the coins you need" in text


@pytest.mark.parametrize("need", ["-5", "1e9", "NaN", "99999999999", "<script>", "٣"])
def test_a_senseless_need_is_ignored(client, till, need):
    page = client.get("/store/", {"need": need, "gift": "<b>", "room": '"><b>'}, **AMERICAN)
    assert page.status_code == 200
    assert "You need" not in text_of(page)
    assert b"<b>" not in page.content


def test_a_store_without_prices_says_so(client, db):
    page = client.get("/store/")
    assert page.status_code == 503
    assert "No coins are on sale here right now" in text_of(page)


def test_buying_asks_for_a_sign_in(client, till):
    answer = order(client)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("public_url", "host", "origin"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000", "localhost:8000", "http://localhost:8000"),
        ("https://gifts.example", "localhost:8000", "https://gifts.example"),
    ],
)
def test_the_checkout_leads_back_under_the_name_that_the_fan_came_by(
    browser, till, settings, public_url, host, origin
):
    settings.CONFIG = replace(settings.CONFIG, public_url=public_url)
    order(browser, host=host)
    [placed] = Order.objects.all()
    assert till.return_urls == [f"{origin}/store/orders/{placed.public_id}/"]


def test_an_order_leads_to_the_checkout_and_back_to_the_coins(browser, fan, till):
    answer = order(browser, gift="panda")
    [placed] = Order.objects.filter(holder=fan.pk)
    assert answer["Location"] == placed.checkout_url
    page = f"/store/orders/{placed.public_id}/"

    text = text_of(browser.get(page))
    assert "Not paid yet" in text
    assert "Continue to payment, $9.99" in text

    till.set(placed.checkout_id, status="pending")
    response = browser.get(page)
    assert "Waiting for the bank" in text_of(response)
    assert b'hx-trigger="every 2s"' in response.content

    till.set(placed.checkout_id, status="captured")
    response = browser.get(page)
    assert "1,200 coins are yours" in text_of(response)
    assert b"hx-get" not in response.content
    assert balance(fan.holder_key) == (1200, 0)


def test_a_double_click_places_one_order(browser, till):
    key = new_key(clock.now())
    answers = {order(browser, key=key)["Location"] for _ in range(2)}
    assert len(answers) == 1
    assert Order.objects.count() == 1
    answer = order(browser, key=key, pick=f"{package(500).pk}:1")
    assert answer["Location"] == "/store/?"
    assert "placed with other packages" in text_of(browser.get("/store/"))


@pytest.mark.parametrize(
    "form",
    [
        {"pick": ""},
        {"pick": "1"},
        {"pick": "x:1"},
        {"pick": "1:1,1:1"},
        {"pick": "9" * 30 + ":1"},
        {"pick": "1:-1"},
        {"pick": "1:1.5"},
        {"pick": "999999:1"},
        {"key": "not a key"},
        {"key": "6f9619ff-8b86-4011-b42d-00c04fc964ff"},
    ],
)
def test_a_tampered_form_orders_nothing(browser, till, form):
    good = {"pick": f"{package(500).pk}:1", "key": str(new_key(clock.now()))}
    answer = browser.post(reverse("store:place"), {**good, **form})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/store/")
    assert not Order.objects.exists()


def test_a_provider_out_of_reach_loses_nothing(browser, fan, till):
    till.troubles.append(Unavailable("The payment provider cannot be reached."))
    answer = order(browser)
    [placed] = Order.objects.filter(holder=fan.pk)
    assert answer["Location"] == f"/store/orders/{placed.public_id}/"
    text = text_of(browser.get(answer["Location"]))
    assert "No money was taken." in text
    again = browser.post(f"/store/orders/{placed.public_id}/pay/")
    placed.refresh_from_db()
    assert again["Location"] == placed.checkout_url

    till.troubles.append(OutcomeUnknown("?"))
    text = text_of(browser.get(f"/store/orders/{placed.public_id}/"))
    assert "Do not pay twice." in text


def test_the_page_asks_calmly_and_is_answered_only_when_something_changed(browser, fan, till):
    order(browser)
    [placed] = Order.objects.filter(holder=fan.pk)
    watch = f"/store/orders/{placed.public_id}/watch/"
    seen = browser.get(watch).context["seen"]
    assert browser.get(watch, {"seen": seen}).status_code == 204
    till.set(placed.checkout_id, status="captured")
    changed = browser.get(watch, {"seen": seen})
    assert changed.status_code == 200
    assert b"<html" not in changed.content
    assert "1,200 coins are yours" in text_of(changed)


def test_a_decline_says_what_to_do(browser, fan, till):
    order(browser)
    [placed] = Order.objects.filter(holder=fan.pk)
    till.set(placed.checkout_id, status="declined", decline_code="lost_or_stolen")
    text = text_of(browser.get(f"/store/orders/{placed.public_id}/"))
    assert "Your bank did not approve the payment" in text
    assert "Nothing was taken." in text
    assert "stolen" not in text


def test_what_does_not_fit_is_said_to_be_looked_at(browser, fan, till):
    order(browser)
    [placed] = Order.objects.filter(holder=fan.pk)
    till.set(placed.checkout_id, status="captured", amount=Amount(1, asset("USD")))
    text = text_of(browser.get(f"/store/orders/{placed.public_id}/"))
    assert "A person is looking at this payment" in text
    assert "Do not pay again." in text
    assert balance(fan.holder_key) == (0, 0)


def test_anothers_order_is_not_there(browser, signed_in, new_person, till):
    order(browser)
    placed = Order.objects.get()
    stranger = signed_in(new_person("stranger"))
    for page in ("", "watch/"):
        assert browser.get(f"/store/orders/{placed.public_id}/{page}").status_code == 200
        assert stranger.get(f"/store/orders/{placed.public_id}/{page}").status_code == 404
        assert stranger.get(f"/store/orders/rch_0000000000001/{page}").status_code == 404
    assert stranger.post(f"/store/orders/{placed.public_id}/pay/").status_code == 404
    assert browser.get("/store/orders/nonsense/").status_code == 404


def test_an_old_open_order_is_asked_about_less_often(browser, fan, till):
    order(browser)
    [placed] = Order.objects.filter(holder=fan.pk)
    view = store_views.order_view(placed, [], placed.created_at + timedelta(minutes=10))
    assert view.poll_seconds == store_views.SLOW_POLL_SECONDS


def test_the_store_says_how_long_coins_keep(browser, till):
    assert "The coins do not expire." in text_of(browser.get("/store/?region=US"))
    PriceBook.objects.filter(region="US").update(coins_expire_days=365)
    assert "keep for 365 days; what is left then expires" in text_of(
        browser.get("/store/?region=US")
    )
