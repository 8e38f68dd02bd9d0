"""Django's connection to the one database.

Owns how a database address becomes Django's settings. Must not know who runs the server.
Invariant: every connection is checked before it is used again, so that a restarted server costs no
failed page.
"""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict

_NAMED = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def database_settings(url: str) -> dict[str, object]:
    """Return the settings for a PostgreSQL URL or key-value string; the rest goes to libpq.

    Connections stay open per thread for ten minutes: the web server's threads are few and long
    lived, so a pool would add nothing.
    """
    words = conninfo_to_dict(url)
    options = {word: value for word, value in words.items() if word not in _NAMED}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{_NAMED[word]: str(value) for word, value in words.items() if word in _NAMED},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }
