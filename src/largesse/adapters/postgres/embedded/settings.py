"""The server's settings.

Owns their values and the reasons. Must not know where they are written. Protects one invariant:
what durability and privacy need is given on the command line, which no file, ALTER SYSTEM or
caller overrides.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from largesse.adapters.postgres.embedded.sockets import PORT

_MEBIBYTE = 1024 * 1024

HBA_TEXT = """\
# Written by Largesse at every start. Only the socket, and only with the password.
local all         all scram-sha-256
local replication all scram-sha-256
"""


def fixed_settings(socket_directory: Path) -> dict[str, str]:
    """Return what nobody may change: durability, and a socket as the only way in."""
    return {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "unix_socket_directories": str(socket_directory),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "password_encryption": "scram-sha-256",
    }


def default_settings(memory_bytes: int) -> dict[str, str]:
    """Return what suits a small machine; ALTER SYSTEM overrides each of them."""
    memory_mebibytes = memory_bytes // _MEBIBYTE
    return {
        # An eighth of the memory: web, live and jobs run on the same machine. Gifts need little,
        # since their rows are appended; more keeps pages of old histories at hand.
        "shared_buffers": f"{min(max(memory_mebibytes // 8, 64), 4096)}MB",
        "effective_cache_size": f"{max(memory_mebibytes // 2, 128)}MB",
        # Huge pages that a container advertises and does not have end the server with SIGBUS.
        "huge_pages": "off",
        # Web threads, jobs and the live service's pool need about 40; the rest is for people.
        "max_connections": "100",
        # Full page images after every checkpoint are most of the log while gifts pour in, so
        # checkpoints are rare, and large enough a log keeps them by time rather than by size.
        "checkpoint_timeout": "15min",
        "max_wal_size": "2GB",
        "min_wal_size": "128MB",
        # pg_basebackup needs it, and backups must work without a restart.
        "wal_level": "replica",
        "max_wal_senders": "4",
        # Gifts wait for each other in the live service (group commit); a second wait would only
        # add latency.
        "commit_delay": "0",
        # Every statement of the product is short: compiling one costs more than running it.
        "jit": "off",
        # Solid-state disks read at random almost as fast as in order.
        "random_page_cost": "1.1",
        # A fan's row gets a new version with each batch. Frequent, short vacuums keep them few.
        "autovacuum_naptime": "15s",
        # A forgotten transaction would hold fans' rows, and every gift of theirs with them.
        "idle_in_transaction_session_timeout": "5min",
        "cluster_name": "largesse",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u ",
        "log_lock_waits": "on",
        # The text of a statement can hold a password or a fan's address.
        "log_min_error_statement": "panic",
    }


def physical_memory_bytes() -> int:
    """Return the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def render_settings(settings: Mapping[str, str]) -> str:
    """Return the text of a postgresql.conf."""
    head = "# Written by Largesse at every start. Change settings with ALTER SYSTEM instead.\n"
    lines = [f"{name} = {quote(value)}\n" for name, value in settings.items()]
    return head + "".join(lines)


def quote(value: str) -> str:
    """Return `value` as a string of postgresql.conf."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
