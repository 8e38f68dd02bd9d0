"""Which PostgreSQL servers the product trusts with money.

Owns the check that every process makes before it writes, on the embedded server and on the one of
DATABASE_URL alike. Must not know how a server is started. Protects one invariant: what the product
has acknowledged survives the crash of the server and of its machine.
"""

from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict

from largesse.adapters.postgres.errors import BadAddress, ServerUnreachable, UnsafeServer

MINIMUM_VERSION = 15
_CONNECT_TIMEOUT_SECONDS = 10
_FACTS_SQL = """
    SELECT current_setting('server_version_num')::int,
           current_setting('fsync') = 'on',
           current_setting('full_page_writes') = 'on',
           current_setting('synchronous_commit')
"""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a session of the given user in the given database meets."""

    version_number: int
    """As PostgreSQL counts: 180004 is 18.4."""
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str

    @property
    def major_version(self) -> int:
        """Return 18 for 18.4."""
        return self.version_number // 10_000


def check_server(url: str) -> ServerFacts:
    """Connect to `url`, and return what makes its server trustworthy.

    Reads the settings in a session of that user and database, because `synchronous_commit` can be
    switched off for one of them alone. Opens and closes its own connection. Raises UnsafeServer (a
    retry does not help), BadAddress (the same) and ServerUnreachable (a retry may).
    """
    place = _place_of(url)
    try:
        with psycopg.connect(
            url, connect_timeout=_CONNECT_TIMEOUT_SECONDS, autocommit=True
        ) as connection:
            row = connection.execute(_FACTS_SQL).fetchone()
    except psycopg.OperationalError as error:
        raise ServerUnreachable(
            f"Cannot connect to PostgreSQL at {place}: {str(error).strip()} "
            "Check that it runs, and the user, password and database in DATABASE_URL."
        ) from error
    assert row is not None, "a SELECT without FROM returns one row"
    facts = ServerFacts(*row)
    if faults := find_faults(facts):
        raise UnsafeServer(faults)
    return facts


def find_faults(facts: ServerFacts) -> tuple[str, ...]:
    """Return a sentence for each reason to refuse the server, with what to do about it."""
    faults = []
    if facts.major_version < MINIMUM_VERSION:
        faults.append(
            f"It is version {facts.major_version}, and {MINIMUM_VERSION} is the oldest that is "
            "supported: upgrade it, or unset DATABASE_URL to use the embedded server."
        )
    if not facts.fsync:
        faults.append(
            "fsync is off, so a crash can corrupt the books: "
            "run ALTER SYSTEM SET fsync = on, and SELECT pg_reload_conf()."
        )
    if not facts.full_page_writes:
        faults.append(
            "full_page_writes is off, so a crash can tear pages: "
            "run ALTER SYSTEM SET full_page_writes = on, and SELECT pg_reload_conf()."
        )
    if facts.synchronous_commit == "off":
        faults.append(
            "synchronous_commit is off, so a crash can lose acknowledged gifts: set it to on for "
            "the server (ALTER SYSTEM), this database (ALTER DATABASE), this user (ALTER ROLE) "
            "or in the options of DATABASE_URL, wherever it was switched off."
        )
    return tuple(faults)


def _place_of(url: str) -> str:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {"port": None}
    host, port = parts.get("host", "localhost"), str(parts.get("port", 5432))
    if not all(number.isdigit() for number in port.split(",")):
        # What the parser says about it would quote a part, which may be one of the password.
        raise BadAddress(
            "DATABASE_URL is not an address of PostgreSQL. Write it as "
            "postgresql://user:password@host:5432/database, with the special characters of the "
            "password percent-encoded."
        )
    return f"{host}, port {port}"
