"""Reads of the catalogue.

Owns how other packages ask what is on sale. Must not change anything. Invariant: an answer holds
for the given time only; whoever buys names the package's id, and its price is looked up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from largesse.catalog.errors import NothingOnSale, PriceChanged, UnknownPackage
from largesse.catalog.models import CoinPackage, Gift, PriceBook, SpendPolicy
from largesse.catalog.rules import MAX_PACKS_PER_ORDER, Basket, Package, Pick
from largesse.ledger.lots import SpendOrder


@dataclass(frozen=True, slots=True)
class Offer:
    """What one region and channel sells now; prices include the tax."""

    region: str
    channel: str
    currency: str
    tax_basis_points: int
    version: int
    since: datetime
    packages: tuple[Package, ...]
    coins_expire_days: int | None = None
    """After how many days bought coins expire; None: never."""


def packages_for(region: str, channel: str, now: datetime) -> Offer:
    """Return the newest published price book that holds at `now`; raises NothingOnSale."""
    book = (
        _on_sale(now)
        .filter(region=region, channel=channel)
        .prefetch_related("packages")
        .order_by("-version")
        .first()
    )
    if book is None:
        raise NothingOnSale(
            "No coins are on sale here at the moment.", region=region, channel=channel
        )
    return _offer(book, tuple(_package(row) for row in book.packages.all()))


def regions_on_sale(channel: str, now: datetime) -> dict[str, str]:
    """Return the currency of every region that has prices now, by region."""
    books = _on_sale(now).filter(channel=channel).order_by("region", "version")
    return dict(books.values_list("region", "currency"))


def find_basket(counts: Mapping[int, int], now: datetime) -> tuple[Offer, Basket]:
    """Return the packages with these ids, each so many times, as they are sold at `now`.

    Raises UnknownPackage (an id that never was, a count below one, too many, or two books mixed)
    and PriceChanged (the book is not on sale at `now`); a retry helps only with other packages.
    """
    if not counts or any(count < 1 for count in counts.values()):
        raise UnknownPackage("Choose a package first.")
    if sum(counts.values()) > MAX_PACKS_PER_ORDER:
        raise UnknownPackage(f"One order holds at most {MAX_PACKS_PER_ORDER} packages.")
    rows = list(CoinPackage.objects.select_related("book").filter(pk__in=counts).order_by("coins"))
    if len(rows) != len(counts) or len({row.book_id for row in rows}) != 1:
        raise UnknownPackage("These packages are not sold together.")
    book = rows[0].book
    current = _on_sale(now).filter(region=book.region, channel=book.channel).order_by("-version")
    if current.first() != book:
        raise PriceChanged(
            "The price of this package has changed. Look at the new prices before you buy.",
            region=book.region,
            channel=book.channel,
        )
    basket = Basket(tuple(Pick(_package(row), counts[row.pk]) for row in rows))
    return _offer(book, tuple(pick.package for pick in basket.picks)), basket


def spend_order_of(region: str) -> SpendOrder:
    """Return which coins the fans of a region spend first: bonus coins, unless decided so."""
    policy = SpendPolicy.objects.filter(pk=region).first()
    return SpendOrder(policy.order) if policy else SpendOrder.BONUS_FIRST


def gift_catalogue() -> list[Gift]:
    """Return the gifts that can be sent, cheapest first."""
    return list(Gift.objects.filter(retired_at__isnull=True).order_by("coins", "code"))


def find_gift(slug: str) -> Gift | None:
    """Return the gift with this slug while it can be sent, or None."""
    return Gift.objects.filter(slug=slug, retired_at__isnull=True).first()


def gifts_by_code() -> dict[int, Gift]:
    """Return every gift that ever was, by the code that the ledger's rows carry."""
    return {gift.code: gift for gift in Gift.objects.all()}


def _on_sale(now: datetime) -> QuerySet[PriceBook]:
    return PriceBook.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=now),
        published_at__lte=now,
        valid_from__lte=now,
    )


def _package(row: CoinPackage) -> Package:
    return Package(row.pk, row.coins, row.price_minor)


def _offer(book: PriceBook, packages: tuple[Package, ...]) -> Offer:
    return Offer(
        region=book.region,
        channel=book.channel,
        currency=book.currency,
        tax_basis_points=book.tax_basis_points,
        version=book.version,
        since=book.valid_from,
        packages=tuple(sorted(packages, key=lambda package: package.coins)),
        coins_expire_days=book.coins_expire_days,
    )
