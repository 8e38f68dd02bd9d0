"""Adds the Merkle log. Invariant: a file that was released is never edited."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    """The log's tables; the ledger's own are left as they are."""

    dependencies: ClassVar[list[tuple[str, str]]] = [("ledger", "0001_ledger")]
    operations: ClassVar = [
        migrations.RunSQL((SQL / "sealing.sql").read_text(), migrations.RunSQL.noop)
    ]
