"""No float touches money: the packages that bear it, and the tables that keep it, read as text.

The house rule has its own checker (`tools/tidy.py`); this one shares no code with it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/largesse"
BEARING = (
    *("money", "ledger", "recharge", "gifting", "earnings", "payouts", "finance", "catalog"),
    *("trust", "web/templatetags"),
)
WHOLE = {"comb", "gcd", "isqrt", "lcm"}
"""What of `math` takes and returns whole numbers."""

MODULES = sorted(path for name in BEARING for path in (SOURCE / name).rglob("*.py"))
TABLES = sorted([*SOURCE.rglob("*.sql"), *SOURCE.rglob("migrations/*.py")])

_FLOAT_TYPES = re.compile(
    r"\b(real|float4|float8|double\s+precision|float|money|FloatField)\b(?!\s*=)", re.IGNORECASE
)
_COMMENTS = re.compile(r"--[^\n]*|#[^\n]*|'[^'\n]*'|\"[^\"\n]*\"")


def floats(text: str) -> list[str]:
    """Where a module makes or names a float; naming it in an `isinstance` refuses it."""
    tree = ast.parse(text)
    refusing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
        for inner in ast.walk(node.args[1])
    }
    found = []
    for node in ast.walk(tree):
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        is_name = isinstance(node, ast.Name) and node.id == "float" and id(node) not in refusing
        is_import = (
            isinstance(node, ast.ImportFrom)
            and node.module in {"math", "statistics"}
            and not {alias.name for alias in node.names} <= WHOLE
        )
        if is_literal or is_name or is_import:
            found.append(f"{ast.unparse(node)} in line {node.lineno}")  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_that_bears_money_has_a_float(path: Path) -> None:
    assert floats(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", TABLES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_table_has_a_column_of_floats(path: Path) -> None:
    assert _FLOAT_TYPES.findall(_COMMENTS.sub("", path.read_text(encoding="utf-8"))) == []


def test_there_is_something_to_read() -> None:
    assert len(MODULES) > 50
    assert {path.name for path in TABLES} >= {"tables.sql", "post_gifts.sql", "0001_initial.py"}


@pytest.mark.parametrize(
    "text",
    ["share = 0.5", "x = float(y)", "def f(x: float): ...", "from math import floor", "z = 1j"],
)
def test_the_reader_finds_what_it_looks_for(text: str) -> None:
    assert floats(text)
    assert not floats("if isinstance(value, bool | float): raise BadAmount")
    assert _FLOAT_TYPES.findall("price double precision, tax REAL, models.FloatField()")
