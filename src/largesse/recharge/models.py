"""The tables of recharges: orders, their timeline, and providers' notifications.

Owns `recharge_order`, `recharge_orderevent` and `recharge_notification`. Must not know catalogue or
people: an order carries copies and ids. Invariant: a charge pays one order, a notification is
stored once, and a timeline only grows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q

from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import public_id
from largesse.recharge.rules import Status


class Order(models.Model):
    """A fan's wish for coins at a price, and how far it has come. Amounts in minor units."""

    id = models.BigIntegerField(primary_key=True)
    key = models.UUIDField()
    holder = models.BigIntegerField(db_index=True)
    region = models.CharField(max_length=16)
    channel = models.CharField(max_length=16)
    price_book = models.PositiveIntegerField()
    packages = models.JSONField(help_text="How many of each package, by its id.")
    description = models.CharField(max_length=200)
    coins = models.PositiveIntegerField()
    price_minor = models.PositiveBigIntegerField()
    tax_minor = models.PositiveBigIntegerField()
    coins_expire_days = models.PositiveIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3)
    room = models.CharField(max_length=40, blank=True, default="")
    gift = models.CharField(max_length=40, blank=True, default="")

    status = models.CharField(max_length=12, default=Status.QUOTED.value)
    park_reason = models.CharField(max_length=200, blank=True, default="")
    decline_code = models.CharField(max_length=40, blank=True, default="")
    provider = models.CharField(max_length=20)
    checkout_id = models.CharField(max_length=80, blank=True, default="")
    checkout_url = models.CharField(max_length=400, blank=True, default="")
    charge_id = models.CharField(max_length=80, blank=True, default="")
    captured_minor = models.PositiveBigIntegerField(null=True, blank=True)
    captured_currency = models.CharField(max_length=3, blank=True, default="")
    refund_key = models.UUIDField(null=True, blank=True)
    refund_reason = models.CharField(max_length=80, blank=True, default="")

    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    next_check_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["holder", "key"], name="recharge_order_key"),
            models.UniqueConstraint(
                fields=["provider", "checkout_id"],
                name="recharge_order_checkout",
                condition=~Q(checkout_id=""),
            ),
            models.UniqueConstraint(
                fields=["provider", "charge_id"],
                name="recharge_order_charge",
                condition=~Q(charge_id=""),
            ),
            models.CheckConstraint(
                condition=Q(coins__gt=0)
                & Q(price_minor__gt=0)
                & Q(tax_minor__lte=models.F("price_minor")),
                name="recharge_order_amounts",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in Status]),
                name="recharge_order_status",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.CREDITED.value) | ~Q(charge_id=""),
                name="recharge_order_credited_has_charge",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_check_at"],
                name="recharge_order_due",
                condition=Q(next_check_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """Return the id as the outside knows it, `rch_` and 13 characters."""
        return public_id("rch", self.id)

    @property
    def price(self) -> Amount:
        """Return what the fan pays, tax included."""
        return Amount(self.price_minor, asset(self.currency))

    @property
    def tax(self) -> Amount:
        """Return the tax inside the price."""
        return Amount(self.tax_minor, asset(self.currency))

    def coins_expire_at(self, credited_at: datetime) -> datetime | None:
        """Return when coins credited at a time expire; None: never."""
        days = self.coins_expire_days
        return None if days is None else credited_at + timedelta(days=days)

    @property
    def state(self) -> Status:
        """Return the status as the rules take it."""
        return Status(self.status)


class OrderEvent(models.Model):
    """One step of an order's timeline."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    step = models.CharField(max_length=24)
    detail = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.step} at {self.at:%Y-%m-%d %H:%M:%S}"


class Notification(models.Model):
    """A provider's call, stored before anything else happens; applied by reading the object."""

    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=80)
    kind = models.CharField(max_length=20)
    object_id = models.CharField(max_length=80)
    body = models.TextField()
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    last_error = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "event_id"], name="recharge_notification_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="recharge_notification_due",
                condition=Q(applied_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"
