"""The side bar of the operator console.

Owns the order and the words of its links. Must not know what the pages do. Invariant: nobody is
shown a link that would answer them 403.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

_MENU = (
    (
        "",
        (
            ("Dashboard", "console:index", "payouts.view_payout", "dashboard"),
            ("Find a person", "console:search", "people.view_holder", "search"),
        ),
    ),
    (
        "Money in and out",
        (
            ("Orders", "admin:recharge_order_changelist", "recharge.view_order", "shopping_cart"),
            (
                "Notifications",
                "admin:recharge_notification_changelist",
                "recharge.view_notification",
                "call_received",
            ),
            (
                "Settlements",
                "admin:finance_settlement_changelist",
                "finance.view_settlement",
                "account_balance",
            ),
            ("Payouts", "admin:payouts_payout_changelist", "payouts.view_payout", "payments"),
        ),
    ),
    (
        "Prices and shares",
        (
            (
                "Price books",
                "admin:catalog_pricebook_changelist",
                "catalog.view_pricebook",
                "sell",
            ),
            (
                "Spend orders",
                "admin:catalog_spendpolicy_changelist",
                "catalog.view_spendpolicy",
                "sort",
            ),
            ("Gifts", "admin:catalog_gift_changelist", "catalog.view_gift", "redeem"),
            (
                "Share policies",
                "admin:earnings_sharepolicy_changelist",
                "earnings.view_sharepolicy",
                "percent",
            ),
        ),
    ),
    (
        "Behind the scenes",
        (
            (
                "Closed days",
                "admin:finance_dayclose_changelist",
                "finance.view_dayclose",
                "event_available",
            ),
            (
                "Background jobs",
                "admin:procrastinate_procrastinatejob_changelist",
                "procrastinate.view_procrastinatejob",
                "schedule",
            ),
        ),
    ),
)
"""Groups of links: title, address by name, permission that its page asks for, icon."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side bar for whoever asks; django-unfold draws it."""
    return [
        {
            "title": title,
            "items": [
                {"title": name, "link": reverse(address), "icon": icon}
                for name, address, permission, icon in links
                if request.user.has_perm(permission)
            ],
        }
        for title, links in _MENU
    ]
