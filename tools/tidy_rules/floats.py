"""No float touches money (house style, Money).

Owns the list of packages that bear money. ruff refuses Decimals made from floats; this refuses the
rest.
Invariant: in those packages a float may only be named in order to refuse it, as in `isinstance(x,
float)`.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import Finding, package_of

MONEY_BEARING = frozenset(
    {
        "catalog",
        "earnings",
        "finance",
        "gifting",
        "ledger",
        "money",
        "payouts",
        "recharge",
        "trust",
    }
)
EXACT_DIVISION_ONLY = frozenset({"ledger", "money"})


def no_float(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """No float literal, no `float(...)`, no float in an annotation."""
    if package_of(path) not in MONEY_BEARING:
        return
    refusals = set(_named_to_refuse(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            message = f"float literal {node.value!r}: use an integer of minor units or a Decimal"
            yield Finding(str(path), node.lineno, "no-float", message)
        elif isinstance(node, ast.Name) and node.id == "float" and node not in refusals:
            message = "float: use an integer of minor units or a Decimal"
            yield Finding(str(path), node.lineno, "no-float", message)


def no_true_division(tree: ast.Module, path: PurePosixPath) -> Iterator[Finding]:
    """Two integers divided by `/` are a float: the core splits exactly, by divmod or a split."""
    if package_of(path) not in EXACT_DIVISION_ONLY:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            message = "true division: split exactly (largesse.money), or use divmod"
            yield Finding(str(path), node.lineno, "no-float", message)


def _named_to_refuse(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "isinstance"
            and len(node.args) == 2
        ):
            yield from ast.walk(node.args[1])
