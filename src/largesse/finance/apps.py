"""The Django app of finance. Owns its registration only; must not know any other package.

Invariant: the label stays `finance`, because its tables are named by it.
"""

from django.apps import AppConfig


class FinanceConfig(AppConfig):
    """Registers the models of closes and settlements."""

    name = "largesse.finance"
    label = "finance"
    verbose_name = "Finance"
    default_auto_field = "django.db.models.BigAutoField"
