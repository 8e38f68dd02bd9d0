"""The Django app of payouts. Owns its registration only; must not know any other package.

Invariant: the label stays `payouts`, because its tables are named by it.
"""

from django.apps import AppConfig


class PayoutsConfig(AppConfig):
    """Registers the models of destinations and payouts."""

    name = "largesse.payouts"
    label = "payouts"
    verbose_name = "Payouts"
    default_auto_field = "django.db.models.BigAutoField"
