"""The operating system's user that PostgreSQL runs as.

Owns the choice, since PostgreSQL refuses to run as root. Must not know programs or settings.
Protects one invariant: one data directory always keeps one user.
"""

import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from largesse.adapters.postgres.errors import ClusterUnusable, NoServerAccount

# A system user of that name, where an operator has made one, serves nothing else. `nobody` exists
# everywhere, and initdb insists on a user with a name.
_PREFERRED_NAMES = ("largesse", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group, and whether a child has to drop to them."""

    uid: int
    gid: int
    is_dropped_to: bool


def choose_account(cluster: Path) -> Account:
    """Return the user for the server on `cluster`: this process's own, unless that is root.

    Raises NoServerAccount, and ClusterUnusable for a cluster of somebody else.
    """
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise ClusterUnusable(
                f"{cluster} belongs to user id {owner.st_uid}. Run as the user who made it "
                "(root, if it was made as root), or choose another data directory."
            )
        return Account(os.geteuid(), os.getegid(), is_dropped_to=False)
    if not sys.platform.startswith("linux"):
        raise NoServerAccount(
            "The embedded PostgreSQL does not run as root here. Run as an ordinary user, "
            "or set DATABASE_URL to a server of your own."
        )
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, is_dropped_to=True)
    for name in _PREFERRED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, is_dropped_to=True)
    raise NoServerAccount(
        "PostgreSQL does not run as root, and there is no user to run it as. "
        "Run: useradd --system largesse. Or run as an ordinary user."
    )
