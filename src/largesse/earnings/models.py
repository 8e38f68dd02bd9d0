"""The table of earnings: share policies.

Owns `earnings_sharepolicy`. Must not know creators or balances. Invariant: a policy that was
published is never changed, because gifts and statements name it by its number.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from largesse.earnings import rules


class SharePolicy(models.Model):
    """One version of the terms; written by `services.publish_policy` only."""

    number = models.PositiveIntegerField(primary_key=True)
    version = models.CharField(max_length=40, unique=True)
    share_bp = models.PositiveIntegerField()
    hold_days = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    coin_gross_micro = models.PositiveBigIntegerField()
    tax_bp = models.PositiveIntegerField()
    fee_bp = models.PositiveIntegerField()
    effective_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "share policies"
        ordering: ClassVar = ["-effective_at", "-number"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(share_bp__lte=10_000, tax_bp__lte=10_000, fee_bp__lte=10_000),
                name="earnings_sharepolicy_basis_points",
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1, hold_days__lte=365), name="earnings_sharepolicy_range"
            ),
        ]

    def __str__(self) -> str:
        return self.version

    @property
    def terms(self) -> rules.SharePolicy:
        """The policy as the rules take it."""
        return rules.SharePolicy(
            number=self.number,
            version=self.version,
            share_bp=self.share_bp,
            hold_days=self.hold_days,
            currency=self.currency,
            coin_gross_micro=self.coin_gross_micro,
            tax_bp=self.tax_bp,
            fee_bp=self.fee_bp,
        )
