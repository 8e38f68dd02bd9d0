"""Registers the ledger's tables with Django's migrations, and its columns with the driver.

Must hold no logic. Invariant: the driver knows columns before Django's first connection, which
copies what it knows.
"""

from __future__ import annotations

from django.apps import AppConfig

from largesse.adapters.postgres import columns  # noqa: F401 - importing it registers them


class LedgerConfig(AppConfig):
    """The ledger's schema, under the label `ledger`."""

    name = "largesse.adapters.postgres"
    label = "ledger"
    verbose_name = "Ledger"
