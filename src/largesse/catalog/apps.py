"""The Django app of the catalogue.

Owns its registration only; must not know any other package. Invariant: the label stays `catalog`,
because its tables carry the name.
"""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Registers the models of price books and gifts."""

    name = "largesse.catalog"
    label = "catalog"
    verbose_name = "Catalogue"
    default_auto_field = "django.db.models.BigAutoField"
