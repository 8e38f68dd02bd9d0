"""How a command ends when it cannot do what it was asked.

Owns the exit codes and the sentence that is printed for each expected error. Must not hide a bug:
what is not expected keeps its traceback. Invariant: a refusal says what to do, and never shows a
password.
"""

from __future__ import annotations

import errno
from enum import IntEnum

EXIT_CODES_HELP = (
    "Exit codes: 0 done; 1 refused, or a check found breaks; 2 wrong usage; "
    "3 the environment is not ready (database, ports, configuration, disk)."
)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ExitCode(IntEnum):
    """What a script may rely on."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    ENVIRONMENT = 3


class CommandFailure(Exception):
    """An expected end of a command: a sentence that says what to do, and its exit code."""

    def __init__(self, message: str, code: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__(message)
        self.code = code


def explain(error: Exception) -> CommandFailure | None:
    """Return what an error means to whoever typed the command; None for a bug of ours."""
    if isinstance(error, CommandFailure):
        return error
    # Imported here, since `largesse --help` needs none of them.
    import psycopg

    from largesse.adapters.config import ConfigError
    from largesse.adapters.postgres.errors import ServerError
    from largesse.adapters.private_file import PrivateFileError
    from largesse.money.errors import DomainError, TransientError

    if isinstance(error, ServerError | ConfigError | PrivateFileError):
        return CommandFailure(str(error), ExitCode.ENVIRONMENT)
    if isinstance(error, TransientError):
        return CommandFailure(error.message, ExitCode.ENVIRONMENT)
    if isinstance(error, DomainError):
        return CommandFailure(error.message)
    if isinstance(_root(error), psycopg.OperationalError):
        reason = str(_root(error)).strip().split("\n", 1)[0]
        return CommandFailure(
            f"The database gave way: {reason}. Check that it runs, and try again.",
            ExitCode.ENVIRONMENT,
        )
    if isinstance(error, OSError) and (error.filename or error.errno in _FULL):
        what = error.filename or "the disk"
        return CommandFailure(f"Cannot use {what}: {error.strerror}.", ExitCode.ENVIRONMENT)
    return None


def _root(error: BaseException) -> BaseException:
    """Django wraps the driver's errors; what they say is in the cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
