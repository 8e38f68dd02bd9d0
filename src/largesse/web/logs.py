"""What the product writes to its log.

Owns the form of log lines. Must not know where they are kept. Invariant: no line holds an email
address or the values of a refused database row, whoever logged it.
"""

from __future__ import annotations

import logging
import re

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_ROW_DETAIL = re.compile(r"^(DETAIL|CONTEXT):.*$", re.MULTILINE)


class DiscreetFormatter(logging.Formatter):
    """Masks email addresses and PostgreSQL's row details in messages and tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line with personal data masked."""
        text = super().format(record)
        return _EMAIL.sub("[email]", _ROW_DETAIL.sub(r"\1: [not logged]", text))


LOG_CONFIG: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "discreet": {
            "()": DiscreetFormatter,
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "discreet"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "propagate": True, "level": "INFO"},
        "django.server": {"handlers": [], "propagate": True, "level": "WARNING"},
        # These say too much: each imported task, each passkey by its id.
        "procrastinate.blueprints": {"level": "WARNING"},
        "fido2": {"level": "WARNING"},
    },
}
