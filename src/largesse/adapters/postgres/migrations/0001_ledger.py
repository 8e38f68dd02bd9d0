"""Creates the ledger from its SQL files. Invariant: a file that was released is never edited."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
FILES = (
    "tables.sql",
    "lots.sql",
    "move_balances.sql",
    "post_journals.sql",
    "post_gifts.sql",
    "holding.sql",
)


class Migration(migrations.Migration):
    """The first schema of the ledger."""

    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar = [
        migrations.RunSQL((SQL / name).read_text(), migrations.RunSQL.noop) for name in FILES
    ]
