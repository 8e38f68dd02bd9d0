"""Registers the ledger's tables with Django's migrations. Must hold no logic."""

from __future__ import annotations

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The ledger's schema, under the label `ledger`."""

    name = "largesse.adapters.postgres"
    label = "ledger"
    verbose_name = "Ledger"
