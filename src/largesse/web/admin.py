"""The console's lists of what was recorded: readable, searchable, never editable.

Owns which tables staff may look through. Must not change anything: what may be changed goes through
services, on the console's own pages. Invariant: no list here can add, change or delete a row.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from largesse.catalog.models import CoinPackage, Gift, PriceBook, SpendPolicy
from largesse.earnings.models import SharePolicy
from largesse.finance.models import DayClose, Settlement
from largesse.payouts.models import Payout, PayoutEvent
from largesse.recharge.models import Notification, Order, OrderEvent


class _Frozen:
    """Takes every right to write away, whatever the permissions of the reader."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes."""
        return False


class ReadOnlyAdmin(_Frozen, ModelAdmin):
    """A list without forms."""

    list_per_page = 50
    show_full_result_count = False


class _Lines(_Frozen, TabularInline):
    extra = 0


class OrderLines(_Lines):
    """The timeline of an order."""

    model = OrderEvent


class PayoutLines(_Lines):
    """The timeline of a payout."""

    model = PayoutEvent


class PackageLines(_Lines):
    """The packages of a price book."""

    model = CoinPackage


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Recharges."""

    list_display = (
        "public_id",
        "status",
        "coins",
        "price_minor",
        "currency",
        "park_reason",
        "created_at",
    )
    list_filter = ("status", "currency", "provider")
    search_fields: ClassVar = ("=id", "=charge_id", "=checkout_id", "=holder")
    inlines = (OrderLines,)


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    """Payouts; the destination shows its last signs only."""

    list_display = (
        "public_id",
        "status",
        "parked",
        "diamonds",
        "gross_minor",
        "currency",
        "attempts",
        "created_at",
    )
    list_filter = ("status", "parked", "currency")
    list_select_related = ("destination",)
    search_fields: ClassVar = ("=id", "=transfer_id", "=holder")
    inlines = (PayoutLines,)


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Providers' calls, as they were stored."""

    list_display = (
        "event_id",
        "kind",
        "object_id",
        "received_at",
        "applied_at",
        "attempts",
        "last_error",
    )
    list_filter = ("kind", "provider", ("applied_at", admin.EmptyFieldListFilter))
    search_fields: ClassVar = ("=event_id", "=object_id")


@admin.register(SharePolicy)
class SharePolicyAdmin(ReadOnlyAdmin):
    """The terms for creators, every version."""

    list_display = (
        "version",
        "number",
        "share_bp",
        "hold_days",
        "currency",
        "coin_gross_micro",
        "tax_bp",
        "fee_bp",
        "effective_at",
    )


@admin.register(PriceBook)
class PriceBookAdmin(ReadOnlyAdmin):
    """What coins cost, by region, channel and time."""

    list_display = (
        "region",
        "channel",
        "version",
        "currency",
        "coins_expire_days",
        "valid_from",
        "valid_to",
    )
    list_filter = ("region", "channel", "currency")
    inlines = (PackageLines,)


@admin.register(SpendPolicy)
class SpendPolicyAdmin(ReadOnlyAdmin):
    """Which coins the fans of a region spend first; elsewhere bonus coins."""

    list_display = ("region", "order", "reason", "decided_at")


@admin.register(Gift)
class GiftAdmin(ReadOnlyAdmin):
    """What fans can send."""

    list_display = ("name", "slug", "coins", "streakable", "alt", "retired_at")
    list_filter = ("streakable",)
    search_fields: ClassVar = ("name", "slug")


@admin.register(DayClose)
class DayCloseAdmin(ReadOnlyAdmin):
    """What each closed day posted, by bucket."""

    list_display = ("day", "bucket", "amounts", "up_to_seq", "posted_at")
    list_filter = ("day",)


@admin.register(Settlement)
class SettlementAdmin(ReadOnlyAdmin):
    """What providers paid out to us."""

    list_display = (
        "reference",
        "bucket",
        "currency",
        "gross_minor",
        "fee_minor",
        "charges",
        "booked_at",
    )
    list_filter = ("provider", "currency")
