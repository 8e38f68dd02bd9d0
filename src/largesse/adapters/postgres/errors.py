"""What can go wrong between the product and a PostgreSQL server.

Owns the errors of starting, finding and trusting a server; each text says what to do. Must not
know SQL errors of single statements. Protects the reader: no text ever holds a password.
"""

from typing import ClassVar


class ServerError(Exception):
    """The database server cannot be used as it is. `retry_helps` says whether waiting may do."""

    code: ClassVar[str] = "database_server"
    retry_helps: ClassVar[bool] = False


class BinariesMissing(ServerError):
    """The PostgreSQL programs are not installed, or the server's user cannot run them."""

    code = "database_binaries_missing"


class NoServerAccount(ServerError):
    """The product runs as root and finds no unprivileged user to run PostgreSQL as."""

    code = "database_account_missing"


class DataDirectoryInUse(ServerError):
    """Another product, or another PostgreSQL, runs on this data directory."""

    code = "database_directory_in_use"
    retry_helps = True


class ClusterUnusable(ServerError):
    """The data directory holds something that this product cannot start."""

    code = "database_cluster_unusable"


class SocketDirectoryUnsafe(ServerError):
    """There is no place for the server's socket that is short enough and only ours."""

    code = "database_socket_unsafe"


class ServerStartFailed(ServerError):
    """PostgreSQL ended, or stayed unready, while it was being started."""

    code = "database_start_failed"


class BadAddress(ServerError):
    """DATABASE_URL cannot be read as an address of PostgreSQL."""

    code = "database_address"


class ServerUnreachable(ServerError):
    """No connection to the server was made."""

    code = "database_unreachable"
    retry_helps = True


class UnsafeServer(ServerError):
    """The server could lose what it acknowledged, or is too old; `faults` names each reason."""

    code = "database_unsafe"

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("Refusing this PostgreSQL server. " + " ".join(faults))
