"""Purity: decisions take time and chance as arguments (house style, Money).

Owns what a pure module may not reach, and the one place where the clock is read. import-linter
holds the same for imports through other modules; this names the line.
Invariant: `money`, `ledger` and every `rules.py` give the same answer to the same arguments, for
ever.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import Finding, dotted, imported_names, in_product, line_of, package_of

PURE_PACKAGES = frozenset({"ledger", "money"})
CLOCK = PurePosixPath("src/largesse/adapters/clock.py")

IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "django",
        "httpx",
        "logging",
        "os",
        "psycopg",
        "random",
        "secrets",
        "socket",
        "subprocess",
        "threading",
        "time",
    }
)
CHANCE = frozenset({"uuid.getnode", "uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"})
WALL_CLOCKS = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "django.utils.timezone.localdate",
        "django.utils.timezone.localtime",
        "django.utils.timezone.now",
        "time.time",
        "time.time_ns",
    }
)
SIDE_EFFECTS = frozenset({"input", "open", "print"})


def is_pure(path: PurePosixPath) -> bool:
    """Whether the file must be pure: `money`, `ledger`, and `rules.py` of any package."""
    return package_of(path) in PURE_PACKAGES or (in_product(path) and path.name == "rules.py")


def pure_modules(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """No clock, no chance, no input or output, no framework."""
    if not is_pure(path):
        return
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for module in sorted(_roots(node) & IMPURE_MODULES):
                yield Finding(str(path), node.lineno, "pure", f"a pure module imports {module}")
        elif dotted(node, names) in CHANCE:
            message = f"{dotted(node, names)}: ids come in as arguments"
            yield Finding(str(path), line_of(node), "pure", message)
        elif isinstance(node, ast.Call) and _builtin(node.func, names) in SIDE_EFFECTS:
            message = f"{ast.unparse(node.func)}(): a pure module has no input or output"
            yield Finding(str(path), node.lineno, "pure", message)


def clock_reads(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """The wall clock is read in adapters/clock.py only, so that the test clock moves everything."""
    if not in_product(path) or path == CLOCK:
        return
    names = imported_names(tree)
    for node in ast.walk(tree):
        meaning = dotted(node, names)
        if meaning in WALL_CLOCKS:
            message = f"{meaning}: take the time as an argument, or call adapters.clock.now"
            yield Finding(str(path), line_of(node), "clock", message)


def _builtin(node: ast.expr, names: dict[str, str]) -> str:
    return node.id if isinstance(node, ast.Name) and node.id not in names else ""


def _roots(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]} if not node.level else set()
    return {alias.name.partition(".")[0] for alias in node.names}
