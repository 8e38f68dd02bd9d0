"""`load_catalogue`: publish the launch price books and the gifts.

Owns the command line only; the service decides. Must not hold prices. Invariant: running it again
changes nothing.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from largesse.adapters import clock
from largesse.catalog.errors import BadCatalogue
from largesse.catalog.services import load_launch_catalogue


class Command(BaseCommand):
    """Loads the catalogue into the database that the settings name."""

    help = "Publish the launch price books and the gift catalogue; repeats change nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load both files; a contradiction with what is published ends the command with 1."""
        try:
            load_launch_catalogue(clock.now())
        except BadCatalogue as error:
            raise CommandError(error.message) from error
        self.stdout.write("The catalogue is loaded.")
