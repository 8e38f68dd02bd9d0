"""The Django apps of the web project.

Owns the registration of pages' templates and of the console as the admin site. Must not know other
packages. Invariant: `admin.site` is our console, so that
models registered there are reached.
"""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class WebConfig(AppConfig):
    """Registers the project's own templates, static files and migrations."""

    name = "largesse.web"
    label = "web"
    verbose_name = "Web"


class ConsoleConfig(AdminConfig):
    """Makes the console the admin's default site."""

    default_site = "largesse.web.console_site.ConsoleSite"
