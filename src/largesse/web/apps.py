"""The Django apps of the web project.

Owns the registration of pages' templates and of the console as the admin site. Must not know other
packages. Invariant: `admin.site` is our console, so that
models registered there are reached.
"""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig


class WebConfig(AppConfig):
    """Registers the project's own templates, static files and migrations."""

    name = "largesse.web"
    label = "web"
    verbose_name = "Web"

    def ready(self) -> None:
        """Follow the test clock in a sandbox, as every entry point does."""
        from largesse.web import sandbox_clock

        if settings.CONFIG.sandbox:
            sandbox_clock.follow()


class ConsoleConfig(AdminConfig):
    """Makes the console the admin's default site."""

    default_site = "largesse.web.console_site.ConsoleSite"
