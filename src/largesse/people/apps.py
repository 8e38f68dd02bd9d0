"""The Django app of the people package.

Owns its registration only; must not know any other package. Invariant: the label stays `people`,
because the login model is named by it.
"""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Registers the models of holders and logins."""

    name = "largesse.people"
    label = "people"
    verbose_name = "People"
    default_auto_field = "django.db.models.BigAutoField"
