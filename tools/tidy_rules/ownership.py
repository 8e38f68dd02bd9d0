"""Every table is written by one package, the one whose name it carries (house style, Shape).

Owns the table of prefixes. Reading another package's table is its selectors' matter; writing it is
refused.
Invariant: whoever looks for the code that writes a table finds it in one directory.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import Finding, imported_names, in_product, is_migration, package_of

OWNERS = {
    "catalog_": "src/largesse/catalog",
    "earnings_": "src/largesse/earnings",
    "finance_": "src/largesse/finance",
    "gifting_": "src/largesse/gifting",
    "ledger_": "src/largesse/adapters/postgres",
    "people_": "src/largesse/people",
    "payouts_": "src/largesse/payouts",
    "recharge_": "src/largesse/recharge",
    "trust_": "src/largesse/trust",
}

_WRITE = re.compile(
    r"""\b(?:INSERT\s+INTO | UPDATE(?:\s+ONLY)? | DELETE\s+FROM(?:\s+ONLY)? | MERGE\s+INTO
        | TRUNCATE(?:\s+TABLE)? | (?:CREATE|ALTER|DROP)\s+TABLE(?:\s+IF\s+(?:NOT\s+)?EXISTS)?)
        \s+(?:public\.)?"?(?P<table>[a-z_][a-z0-9_]*)""",
    re.IGNORECASE | re.VERBOSE,
)
_SQL_COMMENT = re.compile(r"--[^\n]*")

_MODEL_WRITES = frozenset(
    {
        "bulk_create",
        "bulk_update",
        "create",
        "delete",
        "get_or_create",
        "update",
        "update_or_create",
    }
)


def sql_in_python(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """Statements in strings, f-strings too; docstrings are prose."""
    if not in_product(path):
        return
    prose = set(_docstring_nodes(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in prose:
            yield from _foreign_writes(node.value, path, node.lineno)


def sql_in_files(text: str, path: PurePosixPath) -> Iterator[Finding]:
    """Statements in the .sql files of migrations and of the posting store."""
    if in_product(path) and path.suffix == ".sql":
        yield from _foreign_writes(_SQL_COMMENT.sub("", text), path, 1)


def model_writes(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """`Other.objects.create(...)` and the like, on a model that another package owns."""
    if not in_product(path) or is_migration(path):
        return
    models = {
        name: meaning.split(".")[1]
        for name, meaning in imported_names(tree).items()
        if re.match(r"largesse\.\w+\.models\.", meaning)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            model = _root_of_chain(node.func)
            owner = models.get(model, package_of(path))
            if node.func.attr in _MODEL_WRITES and owner != package_of(path):
                message = f"{model} is written by {owner}: call its services"
                yield Finding(str(path), node.lineno, "table-owner", message)


def _foreign_writes(sql: str, path: PurePosixPath, first_line: int) -> Iterator[Finding]:
    for match in _WRITE.finditer(sql):
        table = match["table"].lower()
        owner = next((OWNERS[prefix] for prefix in OWNERS if table.startswith(prefix)), None)
        if owner is not None and not path.is_relative_to(owner):
            line = first_line + sql.count("\n", 0, match.start("table"))
            yield Finding(str(path), line, "table-owner", f"{table} is written in {owner} only")


def _docstring_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (item.value for item in node.body[:1] if isinstance(item, ast.Expr))


def _root_of_chain(node: ast.expr) -> str:
    """The name at the left end of a chain: `A.objects.filter(x=1).update` begins at "A"."""
    while True:
        if isinstance(node, ast.Attribute):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return node.id if isinstance(node, ast.Name) else ""
