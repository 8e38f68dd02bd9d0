"""The sandbox's test clock, read through Django's connection.

Owns how the web and job processes follow the clock that all processes share. Must not move it: its
owner does. Protects one invariant: outside the sandbox it is never installed.
"""

from __future__ import annotations

from django.db import connection

from largesse.adapters import clock


def follow() -> None:
    """Make this process's `clock.now()` read the shared offset; for start-up, in a sandbox."""
    clock.install(clock.Clock(_read_offset_seconds))


def _read_offset_seconds() -> int:
    with connection.cursor() as cursor:
        cursor.execute(clock.READ_OFFSET_SQL)
        return int(cursor.fetchone()[0])
