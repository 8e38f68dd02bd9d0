"""The tables of the catalogue: price books with their coin packages, spend orders, and gifts.

Owns `catalog_pricebook`, `catalog_coinpackage`, `catalog_spendpolicy` and `catalog_gift`. Must not
know orders or wallets. Invariant: the price of a published package never changes; a new price is a
new version of its book.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from largesse.ledger.lots import SpendOrder


class PriceBook(models.Model):
    """The prices of one region and channel from `valid_from` up to and excluding `valid_to`.

    Prices include the tax; `tax_basis_points` says how many hundredths of a per cent of the net
    price it is. Coins bought in it expire after `coins_expire_days`, or never.
    """

    region = models.CharField(max_length=16)
    channel = models.CharField(max_length=16)
    version = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    tax_basis_points = models.PositiveIntegerField(default=0)
    coins_expire_days = models.PositiveIntegerField(null=True, blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["region", "channel", "version"], name="catalog_pricebook_version"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")),
                name="catalog_pricebook_period",
            ),
            models.CheckConstraint(
                condition=Q(tax_basis_points__lte=10_000), name="catalog_pricebook_tax"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.region}/{self.channel} v{self.version} {self.currency}"


class CoinPackage(models.Model):
    """A number of coins at one price, in minor units of the book's currency, tax included."""

    book = models.ForeignKey(PriceBook, on_delete=models.PROTECT, related_name="packages")
    coins = models.PositiveIntegerField()
    price_minor = models.PositiveBigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["book", "coins"], name="catalog_coinpackage_coins"),
            models.CheckConstraint(
                condition=Q(coins__gt=0) & Q(price_minor__gt=0), name="catalog_coinpackage_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.coins} coins"


class SpendPolicy(models.Model):
    """Which class of coins the fans of a region spend first; regions without a row: bonus coins."""

    region = models.CharField(max_length=16, primary_key=True)
    order = models.CharField(max_length=12)
    reason = models.CharField(max_length=200)
    decided_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(order__in=[order.value for order in SpendOrder]),
                name="catalog_spendpolicy_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.region}: {self.order}"


class Gift(models.Model):
    """What a fan can send: its price in coins, its art and the words that stand for the art."""

    code = models.PositiveIntegerField(primary_key=True)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=40)
    coins = models.PositiveIntegerField()
    streakable = models.BooleanField(default=False)
    alt = models.CharField(max_length=160)
    tagline = models.CharField(max_length=160)
    art = models.CharField(max_length=120)
    duration_ms = models.PositiveIntegerField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(coins__gt=0), name="catalog_gift_coins_positive"),
            models.CheckConstraint(
                condition=~Q(alt="") & ~Q(name=""), name="catalog_gift_has_words"
            ),
        ]

    def __str__(self) -> str:
        return self.name
