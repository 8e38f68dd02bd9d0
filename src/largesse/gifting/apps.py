"""The Django app of gifting.

Owns its registration only; must not know any other package. Invariant: the label stays `gifting`,
because its tables carry the name.
"""

from django.apps import AppConfig


class GiftingConfig(AppConfig):
    """Registers the models of rooms and of what is derived from their gifts."""

    name = "largesse.gifting"
    label = "gifting"
    verbose_name = "Gifting"
    default_auto_field = "django.db.models.BigAutoField"
