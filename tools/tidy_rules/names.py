"""Names that say nothing: utils, helpers, manager, process_*, handle_* (house style, Names).

Owns the words that are refused and the few hooks that libraries call by such a name.
Invariant: a hook is let through only where a library calls it, in a class that derives from one of
its classes or is a middleware.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import Finding, functions

EMPTY_WORDS = frozenset({"util", "utils", "helper", "helpers", "manager", "managers"})
EMPTY_VERBS = ("process_", "handle_")

# Django's middleware and mixins, and the standard library's HTML parser, call these.
LIBRARY_HOOKS = frozenset(
    {
        "handle_comment",
        "handle_data",
        "handle_endtag",
        "handle_no_permission",
        "handle_startendtag",
        "handle_starttag",
        "process_exception",
        "process_template_response",
        "process_view",
    }
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words_of(name: str) -> list[str]:
    """The words of a snake_case or CamelCase name, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def module_and_class_words(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """A module or class is named after what it owns."""
    for part in (*path.parts[:-1], path.stem):
        for word in EMPTY_WORDS.intersection(words_of(part)):
            message = f'"{part}" says nothing ("{word}"): name what it owns'
            yield Finding(str(path), 1, "empty-name", message)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for word in EMPTY_WORDS.intersection(words_of(node.name)):
                message = f'"{node.name}" says nothing ("{word}"): name what it owns'
                yield Finding(str(path), node.lineno, "empty-name", message)


def function_verbs(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """A function says what it does: capture_recharge, not process_recharge."""
    hooks = set(_library_hooks(tree))
    for node in functions(tree):
        if node.name.lstrip("_").startswith(EMPTY_VERBS) and node not in hooks:
            message = f'"{node.name}" hides what it does: use the verb of the act'
            yield Finding(str(path), node.lineno, "empty-verb", message)


def _library_hooks(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and (node.bases or node.name.endswith("Middleware")):
            yield from (item for item in functions(node) if item.name in LIBRARY_HOOKS)
