"""Sizes: functions up to 70 lines, modules up to 500, lines up to 100 (house style, Shape).

Owns the three limits. It must not know what the lines say.
Invariant: a limit is the same for the product, its tests and its tools.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import Finding, functions

FUNCTION_LINES = 70
MODULE_LINES = 500
LINE_LENGTH = 100

CODE = frozenset({".py", ".sql", ".js"})
STYLE = frozenset({".css"})  # a list, not a module: it has lines, but no limit on their number


def function_length(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """A function is one screen: branch in the parent, put the leaves below."""
    for node in functions(tree):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES:
            message = f"{node.name} has {lines} lines, {FUNCTION_LINES} at most"
            yield Finding(str(path), node.lineno, "function-length", message)


def module_length(text: str, path: PurePosixPath) -> Iterator[Finding]:
    """A module that outgrows its limit owns two things."""
    lines = len(text.splitlines())
    if path.suffix in CODE and lines > MODULE_LINES:
        message = f"{lines} lines, {MODULE_LINES} at most"
        yield Finding(str(path), MODULE_LINES + 1, "module-length", message)


def line_length(text: str, path: PurePosixPath) -> Iterator[Finding]:
    """Two files fit beside each other."""
    if path.suffix not in CODE | STYLE:
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > LINE_LENGTH:
            message = f"{len(line)} characters, {LINE_LENGTH} at most"
            yield Finding(str(path), number, "line-length", message)
