"""What a rule says, and where in the repository it stands.

Owns the finding and the questions about paths that several rules ask. It must not know any rule.
Invariant: paths are relative to the repository's root, with forward slashes, on every system.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

PRODUCT = ("src", "largesse")


@dataclass(frozen=True, order=True)
class Finding:
    """One place that breaks one rule; lines count from 1."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


TreeRule = Callable[[ast.Module, PurePosixPath], Iterable[Finding]]
TextRule = Callable[[str, PurePosixPath], Iterable[Finding]]


def in_product(path: PurePosixPath) -> bool:
    """Whether the file is part of the product, as against its tests and tools."""
    return path.parts[:2] == PRODUCT


def package_of(path: PurePosixPath) -> str | None:
    """The product's package that owns the file ("people"), or None outside of them."""
    return path.parts[2] if in_product(path) and len(path.parts) > 3 else None


def is_migration(path: PurePosixPath) -> bool:
    """Whether Django reads the file as a migration."""
    return "migrations" in path.parts


def is_part(path: PurePosixPath, part: str) -> bool:
    """Whether the file is the named part of a package: `models.py`, or a module of `models/`."""
    return path.name == f"{part}.py" or part in path.parts[:-1]


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, dotted: {"now": "django.utils.timezone.now"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                names[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str | None:
    """The dotted meaning of a name or attribute chain that begins at an import, else None."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, names)
        return f"{base}.{node.attr}" if base else None
    return None


def line_of(node: ast.AST) -> int:
    """The line where the node begins; a module has none and begins at the first."""
    return int(getattr(node, "lineno", 1))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method under the node, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
