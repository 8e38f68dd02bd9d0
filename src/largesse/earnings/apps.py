"""The Django app of earnings. Owns its registration only; must not know any other package.

Invariant: the label stays `earnings`, because its tables are named by it.
"""

from django.apps import AppConfig


class EarningsConfig(AppConfig):
    """Registers the models of share policies."""

    name = "largesse.earnings"
    label = "earnings"
    verbose_name = "Earnings"
    default_auto_field = "django.db.models.BigAutoField"
