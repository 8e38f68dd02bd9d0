"""The table of the shared cache: rate limits and used one-time codes."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    """Creates what `manage.py createcachetable` would, as a migration."""

    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar = [
        migrations.RunSQL(
            """
            CREATE TABLE web_cache (
                cache_key varchar(255) PRIMARY KEY,
                value text NOT NULL,
                expires timestamptz NOT NULL
            );
            CREATE INDEX web_cache_expires ON web_cache (expires);
            """,
            "DROP TABLE web_cache",
        )
    ]
