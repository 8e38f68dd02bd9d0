"""The tables of payouts: destinations, payouts and what happened to each.

Owns `payouts_destination`, `payouts_payout` and `payouts_payoutevent`. Must not know balances: the
ledger does. Invariants: an account number is stored sealed only; one key is one payout, and one
transfer of a provider belongs to one payout.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, PayoutId, public_id
from largesse.payouts import rules

# Plain texts: a migration must not need the enum of a later version.
_STATUS_CHOICES = [(status.value, status.value.capitalize()) for status in rules.Status]
_OPEN = [status.value for status in rules.OPEN]


class DestinationKind(models.TextChoices):
    """What sort of account money goes to."""

    BANK = "bank", "Bank account (IBAN)"
    SANDBOX = "sandbox", "Sandbox account"


class Destination(models.Model):
    """Where a creator's money goes. `sealed` opens with the product's secret only."""

    id = models.BigIntegerField(primary_key=True)
    holder = models.BigIntegerField(db_index=True)
    kind = models.CharField(max_length=8, choices=DestinationKind.choices)
    masked = models.CharField(max_length=40)
    sealed = models.TextField()
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind__in=DestinationKind.values), name="payouts_destination_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.masked

    @property
    def public_id(self) -> str:
        """The id as the outside knows it, `dst_` and 13 characters."""
        return public_id("dst", self.id)


class Payout(models.Model):
    """One payout. Amounts are minor units of `currency`; `diamonds` are held until it ends."""

    id = models.BigIntegerField(primary_key=True)
    holder = models.BigIntegerField(db_index=True)
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT)
    key = models.UUIDField(unique=True)
    asked_diamonds = models.BigIntegerField()
    diamonds = models.BigIntegerField()
    gross_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    policy_version = models.CharField(max_length=40)
    status = models.CharField(max_length=10, choices=_STATUS_CHOICES)
    reason = models.CharField(max_length=60, blank=True)
    parked = models.CharField(max_length=60, blank=True)
    transfer_id = models.CharField(max_length=120, unique=True, null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(status__in=_OPEN, parked=""),
                name="payouts_payout_due",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(diamonds__gt=0, gross_minor__gt=0, asked_diamonds__gte=F("diamonds")),
                name="payouts_payout_positive",
            ),
            models.CheckConstraint(
                condition=Q(fee_minor__gte=0, fee_minor__lte=F("gross_minor")),
                name="payouts_payout_fee_within",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[status for status, _ in _STATUS_CHOICES]),
                name="payouts_payout_status",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """The id as the outside knows it, `pay_` and 13 characters."""
        return public_id("pay", self.id)

    @property
    def payout_id(self) -> PayoutId:
        """The id as the rules take it."""
        return PayoutId(self.id)

    @property
    def holder_id(self) -> HolderId:
        """The creator as the ledger's rules take it."""
        return HolderId(self.holder)

    @property
    def gross(self) -> Amount:
        """What the diamonds are worth."""
        return Amount(self.gross_minor, asset(self.currency))

    @property
    def fee(self) -> Amount:
        """What sending costs."""
        return Amount(self.fee_minor, asset(self.currency))

    @property
    def net(self) -> Amount:
        """What arrives at the destination."""
        return Amount(self.gross_minor - self.fee_minor, asset(self.currency))

    @property
    def advice(self) -> rules.Advice:
        """Why it stands where it does, and what comes next."""
        return rules.explain(rules.Status(self.status), self.parked or self.reason)


class PayoutEvent(models.Model):
    """One line of a payout's timeline; only ever added."""

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    status = models.CharField(max_length=10)
    answer = models.CharField(max_length=20)
    reason = models.CharField(max_length=60, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.status}: {self.answer}"
