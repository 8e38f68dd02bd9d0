"""The commands that change the catalogue.

Owns how price books, spend orders and gifts come to be. Must not know the clock or pages.
Invariant: loading a file again changes nothing, and a published price is never edited: a file that
contradicts what was published is refused whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from largesse.catalog.errors import BadCatalogue
from largesse.catalog.models import CoinPackage, Gift, PriceBook, SpendPolicy
from largesse.catalog.rules import require_expiry
from largesse.ledger.lots import SpendOrder
from largesse.money.amounts import checked_minor
from largesse.money.assets import asset

_HERE = Path(__file__).resolve().parent
LAUNCH_PRICES = _HERE / "launch_prices.json"
SPEND_ORDERS = _HERE / "spend_orders.json"
GIFTS = _HERE / "gifts.json"

_GIFT_FACTS = ("slug", "name", "coins", "streakable", "alt", "tagline", "art", "duration_ms")


@transaction.atomic
def load_launch_catalogue(now: datetime) -> None:
    """Publish the launch price books and the gifts; runs in one transaction, repeats do nothing.

    Raises BadCatalogue when a file contradicts what is published (no retry helps).
    """
    for book in read_rows(LAUNCH_PRICES, "books"):
        publish_price_book(book, now)
    for row in read_rows(SPEND_ORDERS, "orders"):
        decide_spend_order(row["region"], SpendOrder(row["order"]), reason=row["reason"], now=now)
    load_gifts(read_rows(GIFTS, "gifts"))


@transaction.atomic
def publish_price_book(facts: dict[str, Any], now: datetime) -> PriceBook:
    """Publish one version of a region's and channel's prices, valid from `now` on.

    The version before it, if any, ends at the same moment. Publishing the same facts again returns
    the book that stands; other facts under the same version raise BadCatalogue, and so do coins
    that expire in a channel that lets none (no retry helps).
    """
    region, channel, version = facts["region"], facts["channel"], facts["version"]
    currency = asset(facts["currency"])
    prices = {
        checked_minor(package["coins"], what="number of coins"): checked_minor(
            package["price_minor"], what="price"
        )
        for package in facts["packages"]
    }
    if not currency.is_currency or not prices or len(prices) != len(facts["packages"]):
        raise BadCatalogue("A price book needs a currency and packages of different sizes.")
    days = require_expiry(channel, facts.get("coins_expire_days"))
    earlier = PriceBook.objects.select_for_update().filter(region=region, channel=channel)
    standing = earlier.filter(version=version).first()
    if standing is not None:
        return _require_same(standing, currency.code, facts["tax_basis_points"], days, prices)
    earlier.filter(valid_to__isnull=True).update(valid_to=now)
    book = PriceBook.objects.create(
        region=region,
        channel=channel,
        version=version,
        currency=currency.code,
        tax_basis_points=facts["tax_basis_points"],
        coins_expire_days=days,
        valid_from=now,
        published_at=now,
    )
    CoinPackage.objects.bulk_create(
        CoinPackage(book=book, coins=coins, price_minor=price) for coins, price in prices.items()
    )
    return book


@transaction.atomic
def decide_spend_order(region: str, order: SpendOrder, *, reason: str, now: datetime) -> None:
    """Let the fans of a region spend their coins in this order; repeats change nothing.

    A wallet takes it over with its fan's next recharge from that region, and obeys from the next
    gift on. Runs in one transaction of its own.
    """
    if SpendPolicy.objects.filter(region=region, order=order.value, reason=reason).exists():
        return
    SpendPolicy.objects.update_or_create(
        region=region, defaults={"order": order.value, "reason": reason, "decided_at": now}
    )


@transaction.atomic
def load_gifts(gifts: Sequence[dict[str, Any]]) -> None:
    """Insert gifts by code and renew their words and art; a gift's price and slug never change.

    Raises BadCatalogue when a code stands for another slug or price already.
    """
    standing = {gift.code: gift for gift in Gift.objects.select_for_update()}
    for facts in gifts:
        known = standing.get(facts["code"])
        if known and (known.slug, known.coins) != (facts["slug"], facts["coins"]):
            raise BadCatalogue(
                f"Gift {facts['code']} is {known.slug} at {known.coins} coins and stays so; "
                "give the new gift a code of its own.",
                code=facts["code"],
            )
        if not str(facts["alt"]).strip():
            raise BadCatalogue(f"Gift {facts['code']} needs a text alternative.")
        Gift.objects.update_or_create(
            code=facts["code"], defaults={name: facts[name] for name in _GIFT_FACTS}
        )


def _require_same(
    book: PriceBook,
    currency: str,
    tax_basis_points: int,
    coins_expire_days: int | None,
    prices: dict[int, int],
) -> PriceBook:
    published = dict(book.packages.values_list("coins", "price_minor"))
    standing = book.currency, book.tax_basis_points, book.coins_expire_days, published
    if standing != (currency, tax_basis_points, coins_expire_days, prices):
        raise BadCatalogue(
            f"{book} is published with other prices. Give the new ones the next version.",
            version=book.version,
        )
    return book


def read_rows(file: Path, key: str) -> list[dict[str, Any]]:
    """Return the rows of a catalogue file: a list, or an object that holds it under `key`."""
    content = json.loads(file.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = content[key] if isinstance(content, dict) else content
    return rows
