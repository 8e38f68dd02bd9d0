"""Loading the catalogue, and asking what is on sale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from largesse.catalog import selectors, services
from largesse.catalog.errors import BadCatalogue, NothingOnSale, PriceChanged, UnknownPackage
from largesse.catalog.models import CoinPackage, Gift, PriceBook, SpendPolicy
from largesse.ledger.lots import SpendOrder
from largesse.money.amounts import BadAmount
from largesse.money.assets import UnknownAsset

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
BOOK = {
    "region": "US",
    "channel": "web",
    "version": 2,
    "currency": "USD",
    "tax_basis_points": 0,
    "packages": [{"coins": 500, "price_minor": 599}],
}


def rows():
    return (
        list(PriceBook.objects.order_by("pk").values()),
        list(CoinPackage.objects.order_by("pk").values()),
        list(Gift.objects.order_by("pk").values()),
    )


def test_the_launch_catalogue_is_published_once():
    services.load_launch_catalogue(NOW)
    first = rows()
    services.load_launch_catalogue(LATER)
    call_command("load_catalogue")
    assert rows() == first
    assert selectors.regions_on_sale("web", NOW) == {
        "US": "USD",
        "INTL": "USD",
        "EU": "EUR",
        "JP": "JPY",
    }


def test_the_gifts_cover_what_was_asked_for():
    services.load_launch_catalogue(NOW)
    gifts = selectors.gift_catalogue()
    coins = [gift.coins for gift in gifts]
    assert len(gifts) >= 24
    assert coins == sorted(coins)
    assert (coins[0], coins[-1]) == (1, 30_000)
    assert {gift.slug: gift.coins for gift in gifts}["shiny-diamond"] == 1000
    assert selectors.find_gift("shiny-diamond") in gifts
    assert {"hearts", "panda", "drama-queen"} <= {gift.slug for gift in gifts}
    assert {gift.streakable for gift in gifts} == {True, False}
    assert all(gift.alt and gift.duration_ms <= 800 for gift in gifts)


def test_a_retired_gift_is_known_but_not_sent():
    services.load_launch_catalogue(NOW)
    panda = selectors.find_gift("panda")
    assert panda is not None
    panda.retired_at = NOW
    panda.save()
    assert selectors.find_gift("panda") is None
    assert panda not in selectors.gift_catalogue()
    assert selectors.gifts_by_code()[panda.code].name == "Panda"


def test_a_new_version_follows_at_its_moment_and_the_old_one_stands():
    services.load_launch_catalogue(NOW)
    services.publish_price_book(BOOK, LATER)
    before = selectors.packages_for("US", "web", LATER - timedelta(seconds=1))
    after = selectors.packages_for("US", "web", LATER)
    assert (before.version, len(before.packages)) == (1, 4)
    assert (after.version, after.packages[0].price_minor) == (2, 599)

    old = {before.packages[0].id: 1}
    assert selectors.find_basket(old, LATER - timedelta(seconds=1))[1].price_minor == 499
    with pytest.raises(PriceChanged):
        selectors.find_basket(old, LATER)
    with pytest.raises(PriceChanged):
        selectors.find_basket({after.packages[0].id: 1}, NOW)


def test_nothing_is_on_sale_before_the_launch_or_elsewhere():
    services.load_launch_catalogue(NOW)
    with pytest.raises(NothingOnSale):
        selectors.packages_for("US", "web", NOW - timedelta(seconds=1))
    with pytest.raises(NothingOnSale):
        selectors.packages_for("MARS", "web", NOW)
    with pytest.raises(UnknownPackage):
        selectors.find_basket({10**9: 1}, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"packages": [{"coins": 500, "price_minor": 600}]},
        {"currency": "EUR"},
        {"tax_basis_points": 1},
    ],
)
def test_a_published_price_is_never_edited(change):
    services.publish_price_book(BOOK, NOW)
    with pytest.raises(BadCatalogue):
        services.publish_price_book({**BOOK, **change}, LATER)
    assert CoinPackage.objects.get().price_minor == 599


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"currency": "COIN"}, BadCatalogue),
        ({"currency": "ABC"}, UnknownAsset),
        ({"packages": []}, BadCatalogue),
        ({"packages": [{"coins": 5, "price_minor": 1}] * 2}, BadCatalogue),
        ({"packages": [{"coins": 5, "price_minor": 4.99}]}, BadAmount),
        ({"packages": [{"coins": -5, "price_minor": 4}]}, BadAmount),
    ],
)
def test_a_senseless_price_book_is_refused(change, error):
    with pytest.raises(error):
        services.publish_price_book({**BOOK, **change}, NOW)
    assert not PriceBook.objects.exists()


def test_a_code_never_changes_its_gift_but_its_words_may():
    services.load_launch_catalogue(NOW)
    facts = services.read_rows(services.GIFTS, "gifts")
    services.load_gifts([{**facts[0], "tagline": "Better words"}])
    assert Gift.objects.get(code=facts[0]["code"]).tagline == "Better words"
    for change in ({"slug": "other"}, {"coins": 9}, {"alt": " "}):
        with pytest.raises(BadCatalogue):
            services.load_gifts([{**facts[0], **change}])


def test_the_command_says_what_contradicts():
    services.publish_price_book({**BOOK, "version": 1}, NOW)
    with pytest.raises(CommandError, match="published with other prices"):
        call_command("load_catalogue")


# --- How long coins keep, and which go first ------------------------------------------------------


@pytest.mark.parametrize("channel", ["appstore", "playstore", "ios", ""])
def test_coins_of_a_store_never_expire_and_the_price_book_is_refused_whole(channel):
    before = rows()
    with pytest.raises(BadCatalogue, match="never expire"):
        services.publish_price_book(BOOK | {"channel": channel, "coins_expire_days": 365}, NOW)
    assert rows() == before
    assert services.publish_price_book(BOOK | {"channel": channel}, NOW).coins_expire_days is None


@pytest.mark.parametrize("days", [0, -1, "365", True, 1.5])
def test_coins_keep_for_whole_days(days):
    with pytest.raises(BadCatalogue):
        services.publish_price_book(BOOK | {"coins_expire_days": days}, NOW)


def test_a_price_book_says_how_long_its_coins_keep_and_never_otherwise():
    services.publish_price_book(BOOK | {"coins_expire_days": 365}, NOW)
    assert selectors.packages_for("US", "web", NOW).coins_expire_days == 365
    with pytest.raises(BadCatalogue, match="other prices"):
        services.publish_price_book(BOOK, LATER)


def test_bonus_coins_go_first_unless_a_region_decided_otherwise():
    assert selectors.spend_order_of("JP") is SpendOrder.BONUS_FIRST
    services.load_launch_catalogue(NOW)
    assert selectors.spend_order_of("JP") is SpendOrder.PAID_FIRST
    assert selectors.spend_order_of("US") is SpendOrder.BONUS_FIRST
    services.decide_spend_order("JP", SpendOrder.BONUS_FIRST, reason="asked by fans", now=LATER)
    assert selectors.spend_order_of("JP") is SpendOrder.BONUS_FIRST
    assert SpendPolicy.objects.get(pk="JP").decided_at == LATER
