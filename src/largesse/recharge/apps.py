"""The Django app of recharges.

Owns its registration only; must not know any other package. Invariant: the label stays `recharge`,
because its tables carry the name.
"""

from django.apps import AppConfig


class RechargeConfig(AppConfig):
    """Registers the models of orders and providers' notifications."""

    name = "largesse.recharge"
    label = "recharge"
    verbose_name = "Recharges"
    default_auto_field = "django.db.models.BigAutoField"
