"""The tables of finance: closed days and booked settlements.

Owns `finance_dayclose` and `finance_settlement`. Must not know orders or gifts. Invariant: a bucket
is closed once a day, and a provider's settlement is booked once.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class DayClose(models.Model):
    """One bucket of one closed day. `amounts` holds minor units by currency, as posted."""

    day = models.DateField()
    bucket = models.PositiveSmallIntegerField()
    amounts = models.JSONField(default=dict)
    up_to_seq = models.BigIntegerField()
    posted_at = models.DateTimeField()

    class Meta:
        verbose_name = "closed day"
        ordering: ClassVar = ["-day", "bucket"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["day", "bucket"], name="finance_dayclose_once"),
        ]

    def __str__(self) -> str:
        return f"{self.day} bucket {self.bucket}"


class Settlement(models.Model):
    """A provider's settlement of one bucket in one currency. Amounts in minor units."""

    provider = models.CharField(max_length=20)
    reference = models.CharField(max_length=80)
    bucket = models.PositiveSmallIntegerField()
    currency = models.CharField(max_length=3)
    gross_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    charges = models.PositiveIntegerField()
    up_to_seq = models.BigIntegerField()
    booked_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-booked_at", "bucket"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "reference", "bucket", "currency"],
                name="finance_settlement_once",
            ),
            models.CheckConstraint(
                condition=Q(gross_minor__gt=0, fee_minor__gte=0, fee_minor__lte=F("gross_minor")),
                name="finance_settlement_amounts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.currency}"
