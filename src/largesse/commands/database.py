"""The database of a command: the one of a running product, one of its own, or DATABASE_URL's.

Owns how a command reaches the books, and the preparation of a database. Must not know what is read
there. Invariant: a command works the same whether the product runs or not, and leaves nothing
running that it found stopped.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from largesse.commands.failures import CommandFailure, ExitCode

SETTINGS = "largesse.web.settings"
_PREPARATION_LOCK = 0x6C617270


@dataclass(frozen=True, slots=True)
class Books:
    """An open database."""

    url: str = field(repr=False)
    data_dir: Path

    def use_django(self) -> None:
        """Load Django with this database; the first call takes about a second."""
        import django
        from django.apps import apps

        if not apps.ready:
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
            django.setup()


@contextmanager
def open_books(data_dir: Path, *, create: bool = False) -> Iterator[Books]:
    """Open the books of a data directory, or of DATABASE_URL, for as long as the block lasts.

    With `create` they are made or brought up to date first; without it a database that holds none
    is refused. Raises CommandFailure and ServerError.
    """
    from largesse.adapters.postgres.server import open_database
    from largesse.commands import schema

    data_dir = data_dir.expanduser().absolute()
    database_url = configured_url()
    if not create and database_url is None and not (data_dir / "postgres").is_dir():
        raise _no_books(str(data_dir))
    os.environ["LARGESSE_DATA"] = str(data_dir)
    with open_database(data_dir, database_url) as url:
        os.environ["DATABASE_URL"] = url
        marks = schema.read_marks(url)
        books = Books(url, data_dir)
        if create and not schema.is_prepared(marks):
            prepare(url, mode=marks.mode or schema.REAL)
        elif not marks.has_books:
            raise _no_books(str(data_dir) if database_url is None else "DATABASE_URL")
        yield books


def configured_url() -> str | None:
    """Return DATABASE_URL where it is set."""
    return os.environ.get("DATABASE_URL", "").strip() or None


def prepare(url: str, *, mode: str) -> None:
    """Migrate the database that the environment names, and load the catalogue; repeats are safe.

    Loads Django into this process. Of two at once, one waits for the other.
    """
    import psycopg

    from largesse.commands import schema

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    import django

    django.setup()
    from django.core.management import call_command

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_PREPARATION_LOCK,))
        call_command("migrate", verbosity=0, interactive=False)
        call_command("load_catalogue", verbosity=0, stdout=io.StringIO())
        schema.write_marks(url, mode)


def _no_books(where: str) -> CommandFailure:
    return CommandFailure(
        f"There are no books in {where} yet. `largesse up` or `largesse demo` makes them; "
        "--data DIR names another place.",
        ExitCode.ENVIRONMENT,
    )
