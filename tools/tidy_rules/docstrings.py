"""Docstrings: every module of the product opens with what it owns, every public name says its part.

Owns which modules and names need one. It must not judge what a docstring says.
Invariant: only what has no meaning of its own goes without: migrations and modules without a
statement.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import Finding, in_product, is_migration

PACKAGE_DEPTH = 4  # src/largesse/<package>/__init__.py


def module_docstring(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """What the module owns, what it must not know, the invariant that it protects."""
    if not in_product(path) or is_migration(path) or ast.get_docstring(tree):
        return
    opens_a_package = path.name == "__init__.py" and len(path.parts) <= PACKAGE_DEPTH
    if tree.body or opens_a_package:
        message = "no docstring: what it owns, must not know, and protects"
        yield Finding(str(path), 1, "module-docstring", message)


def public_docstrings(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """What a stranger may call says what it does, in which unit, and what it raises."""
    if not in_product(path) or is_migration(path):
        return
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not node.name.startswith("_") and not ast.get_docstring(node):
            message = f"{node.name} has no docstring"
            yield Finding(str(path), node.lineno, "public-docstring", message)
