"""Columns of a statement's input, as the arrays that `unnest` wants.

Owns how Python values become PostgreSQL's arrays: in binary where the server parses parameters,
as quoted literals where the client writes them into the statement (Django's connections). Must not
know any statement. Invariant: both forms hold the same values.

psycopg's general form for lists looks at every element twice and took half of a batch's time
outside the database; and reading texts took the server a tenth of its own.

Source of both forms: PostgreSQL, "Array Input and Output Syntax", and `array_recv` for the binary.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

Row = tuple[Any, ...]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OIDS = {
    "boolean": 16,
    "bytea": 17,
    "bigint": 20,
    "smallint": 21,
    "integer": 23,
    "text": 25,
    "timestamptz": 1184,
    "uuid": 2950,
    "jsonb": 3802,
}
_QUOTED = frozenset({"text", "bytea", "jsonb"})
_NUMBERS = {"boolean": "?", "smallint": "h", "integer": "i", "bigint": "q", "timestamptz": "q"}
_SIZES = {"boolean": 1, "smallint": 2, "integer": 4, "bigint": 8, "timestamptz": 8, "uuid": 16}
_NULL = struct.pack(">i", -1)


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one kind, in order; None is NULL."""

    kind: str
    values: Sequence[Any]


def arrays(kinds: str, rows: Sequence[Row]) -> list[Column]:
    """Turn rows, one value a kind, into columns."""
    names = kinds.split()
    values = zip(*rows, strict=True) if rows else [()] * len(names)
    return [Column(name, column) for name, column in zip(names, values, strict=True)]


class _LiteralDumper(Dumper):
    def dump(self, obj: Column) -> Buffer:
        return literal(obj).encode()


class _BinaryDumper(Dumper):
    """Leaves the type to the cast that every column has in its statement."""

    format = Format.BINARY

    def dump(self, obj: Column) -> Buffer:
        return binary(obj)


psycopg.adapters.register_dumper(Column, _LiteralDumper)
# The last one is taken wherever a statement does not ask for a form.
psycopg.adapters.register_dumper(Column, _BinaryDumper)


def binary(column: Column) -> bytes:
    """Return the column in the form that `array_recv` reads."""
    values, kind = column.values, column.kind
    head = struct.pack(">iiI", 1 if values else 0, None in values, _OIDS[kind])
    if not values:
        return head
    head += struct.pack(">ii", len(values), 1)
    if None in values or kind in _QUOTED:
        element = _ELEMENTS[kind]
        return head + b"".join([_NULL if v is None else _sized(element(v)) for v in values])
    if kind == "timestamptz":
        values = [_microseconds(value) for value in values]
    elif kind == "uuid":
        values = [value.bytes for value in values]
    # One call for the whole column: sizes and values take turns.
    flat: list[Any] = [_SIZES[kind]] * (2 * len(values))
    flat[1::2] = values
    return head + struct.pack(">" + ("i" + _NUMBERS.get(kind, "16s")) * len(values), *flat)


def literal(column: Column) -> str:
    """Return the column in the form that people write: `{1,2,NULL}`."""
    if column.kind in _QUOTED:
        texts = ["NULL" if value is None else _quoted(value) for value in column.values]
    elif column.kind == "timestamptz":
        texts = ["NULL" if value is None else value.isoformat() for value in column.values]
    else:
        texts = ["NULL" if value is None else str(value) for value in column.values]
    return "{" + ",".join(texts) + "}"


def _quoted(value: str | bytes) -> str:
    text = "\\x" + value.hex() if isinstance(value, bytes) else value
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _sized(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def _microseconds(value: datetime) -> int:
    return (value - _EPOCH) // _MICROSECOND


def _packed(form: str) -> Callable[[Any], bytes]:
    return struct.Struct(">" + form).pack


_ELEMENTS: dict[str, Callable[[Any], bytes]] = {
    **{kind: _packed(form) for kind, form in _NUMBERS.items() if kind != "timestamptz"},
    "timestamptz": lambda value: struct.pack(">q", _microseconds(value)),
    "uuid": lambda value: value.bytes,
    "text": str.encode,
    "bytea": bytes,
    # The leading byte is the version of the binary form.
    "jsonb": lambda value: b"\x01" + value.encode(),
}
