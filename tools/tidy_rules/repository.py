"""What no tracked file may hold, and what the locked requirements must.

Owns the names of the package registries (spelled in parts, so that this file passes its own rule).
Invariant: a build says only which release it wants and what its hash is; where it comes from is the
installer's configuration.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import Finding

REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "com"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("unpkg", "com"),
        ("jsdelivr", "net"),
        ("cdnjs", "cloudflare", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
        ("repo", "maven", "apache", "org"),
        ("repo1", "maven", "org"),
    )
)

_HOST = re.compile("|".join(re.escape(host) for host in REGISTRY_HOSTS), re.I)
_SOURCE = re.compile(r"://|\s@\s|^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links)\b")
_PIN = re.compile(r"^[A-Za-z0-9][\w.\[\],-]*==\S+")


def no_registry_hosts(text: str, path: PurePosixPath) -> Iterator[Finding]:
    """No file names a package registry's host."""
    for match in _HOST.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Finding(str(path), line, "registry-host", "the name of a package registry's host")


def locked_requirements(text: str, path: PurePosixPath) -> Iterator[Finding]:
    """Requirements name no place, and every pin of a locked file carries its hashes."""
    if not (path.name.startswith("requirements") and path.suffix in {".in", ".txt"}):
        return
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        code = line.partition("#")[0]
        if _SOURCE.search(code):
            yield Finding(str(path), number, "requirement-source", "a place to download from")
        following = lines[number].strip() if number < len(lines) else ""
        if path.suffix == ".txt" and _PIN.match(code) and not following.startswith("--hash="):
            yield Finding(str(path), number, "requirement-hash", "a pin without its hash")
