"""Small files that hold one secret: made once, whole or not at all, and read by nobody else.

Owns how a secret lies on disk. Must not know what a secret is for. Protects one invariant: two
processes that start together on one directory agree on the secret, and only its owner reads it.
"""

import os
import stat
import tempfile
from pathlib import Path


class PrivateFileError(Exception):
    """A secret's file cannot be trusted or read. A retry does not help; the text says what does."""


def read_or_create(path: Path, new_text: str) -> str:
    """Return the secret in `path`; where there is none yet, store `new_text` there first (0600).

    Of two callers at once, one stores its text and both return that one. Raises PrivateFileError.
    """
    if not path.exists():
        _create_once(path, new_text)
    return read(path)


def read(path: Path) -> str:
    """Return the secret in `path`, stripped.

    Raises FileNotFoundError, and PrivateFileError when others may read the file or it is a link.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PrivateFileError(
            f"Cannot read {path}: {error.strerror}. Run as the user who made it, "
            "or choose another data directory."
        ) from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise PrivateFileError(
                f"Other users may read {path} (mode {stat.S_IMODE(mode):04o}). "
                f"Run: chmod 600 {path}"
            )
        return file.read().strip()


def _create_once(path: Path, text: str) -> None:
    # A hard link appears whole and never replaces: neither a crash nor a second process can leave
    # half a secret, or a second one.
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        os.unlink(draft)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable, as fsync of a file alone does not."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
