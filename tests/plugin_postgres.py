"""The PostgreSQL server of a test run.

Owns its start before Django reads its settings, and its end. Must not know any test. Protects one
invariant: a run has one server, whose durability settings are those of production.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from largesse.adapters.postgres.server import EmbeddedServer

_VARIABLE = "DATABASE_URL"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- mkdtemp makes a private directory in it
_ROOM_BYTES = 2 * 1024**3

# fsync and its like stay on: code that needs them off must fail here. What is left out is the
# preparation for crashes and backups of a world that lives for minutes.
_SETTINGS = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "min_wal_size": "32MB",
    "shared_buffers": "128MB",
    "checkpoint_timeout": "1h",
    "log_checkpoints": "off",
}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Start the server and export DATABASE_URL, unless one is given.

    A wrapper, since pytest-django reads the settings in the same hook. Workers of xdist inherit
    the variable; the check of theirs holds where somebody has cleared the environment.
    """
    if not os.environ.get(_VARIABLE) and "PYTEST_XDIST_WORKER" not in os.environ:
        _start(early_config)
    return (yield)


def _start(config: pytest.Config) -> None:
    directory = Path(tempfile.mkdtemp(prefix="largesse-tests-", dir=fast_place()))
    config.add_cleanup(lambda: shutil.rmtree(directory))
    server = EmbeddedServer(directory, settings=_SETTINGS)
    server.start()
    # Cleanups run last in, first out, after pytest_unconfigure: Django has let go by then.
    config.add_cleanup(lambda: server.stop("immediate"))
    os.environ[_VARIABLE] = server.url
    config.add_cleanup(_forget)


def _forget() -> None:
    del os.environ[_VARIABLE]


def fast_place() -> Path | None:
    """Return memory, where syncing costs nothing, if there is enough of it (containers: 64 MB)."""
    is_usable = _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK)
    if is_usable and shutil.disk_usage(_SHARED_MEMORY).free >= _ROOM_BYTES:
        return _SHARED_MEMORY
    return None
