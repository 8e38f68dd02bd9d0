"""How Django is used: writes, relations and transactions (house style, Shape, Transactions).

Owns which of Django's doors are shut. It must not know what a model means.
Invariant: whoever reads a service sees all that its command does, and where its transaction ends.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import (
    Finding,
    dotted,
    imported_names,
    in_product,
    is_migration,
    is_part,
    line_of,
    package_of,
)

RELATIONS = frozenset({"ForeignKey", "ManyToManyField", "OneToOneField"})
LOGIN_OWNER = "people"  # settings.AUTH_USER_MODEL

# Django's PermissionsMixin gives the login its relations to groups and permissions.
FRAMEWORK_TABLES = {LOGIN_OWNER: ("auth",)}


def no_signals(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """What happens after a write is called by the service that writes."""
    if not in_product(path):
        return
    for node in ast.walk(tree):
        for module in _imported_modules(node):
            if module.startswith("django.dispatch") or "signals" in module.split("."):
                message = f"{module}: no signals, call the service"
                yield Finding(str(path), line_of(node), "no-signals", message)


def no_logic_in_save(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """A model is a row; commands are services."""
    if not in_product(path) or not is_part(path, "models"):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name in {"save", "delete"}:
                message = f"{node.name}.{item.name}(): write a service instead"
                yield Finding(str(path), item.lineno, "no-save", message)


def no_foreign_key_across_packages(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """A table belongs to one package; another stores its id."""
    package = package_of(path)
    if package is None or not (is_part(path, "models") or is_migration(path)):
        return
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in RELATIONS:
            owner = _owner_of_target(node, names)
            if owner not in {None, package, *FRAMEWORK_TABLES.get(package, ())}:
                message = f"{_called(node)} into the tables of {owner}: store its id"
                yield Finding(str(path), node.lineno, "foreign-key", message)


def transactions_in_services(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """A transaction begins and ends where the command is written."""
    if not in_product(path) or is_part(path, "services"):
        return
    names = imported_names(tree)
    for node in ast.walk(tree):
        if dotted(node, names) == "django.db.transaction.atomic":
            message = "transaction.atomic belongs into services.py"
            yield Finding(str(path), line_of(node), "transaction", message)


def _imported_modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _owner_of_target(node: ast.Call, names: dict[str, str]) -> str | None:
    """The app label that the relation points to, or None where it is the model's own."""
    named = [keyword.value for keyword in node.keywords if keyword.arg == "to"]
    targets = [*node.args[:1], *named]
    if not targets:
        return None
    target = targets[0]
    if isinstance(target, ast.Constant) and isinstance(target.value, str):
        label, dot, _model = target.value.partition(".")
        return label if dot else None
    meaning = dotted(target, names) or ""
    if "AUTH_USER_MODEL" in ast.unparse(target):
        return LOGIN_OWNER
    if meaning.startswith("largesse."):
        return meaning.split(".")[1]
    return meaning or None
