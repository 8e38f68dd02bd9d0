"""Documents of strings and whole numbers, as exact bytes.

Owns the canonical form that hashes are taken of, and the one way in which a document is written to
a file and read back. Must not know what a document says. Invariant: equal documents have equal
bytes, and a text that was not written by `render` is refused, so that no bit of a file is free.

Source: docs/guides/receipts.md. The canonical form is that of RFC 8785 for documents without
fractions, whose member names are ASCII.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias

Value: TypeAlias = "str | int | Sequence[Value] | Mapping[str, Value]"
Document: TypeAlias = Mapping[str, Value]


_PLAIN = frozenset({str, int})
# Made once: `json.dumps` would build an encoder for every leaf of the log.
_compact = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode


class NotCanonical(ValueError):
    """A text is no document of ours, or a value can not stand in one; the text says why."""


def canonical(document: Document) -> bytes:
    """Return the bytes that are hashed: sorted members, no spaces, UTF-8."""
    _require_plain(document)
    return _encoded(_compact(document))


def render(document: Document) -> str:
    """Return a document as it stands in a file: sorted members, one a line."""
    _require_plain(document)
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def read(text: str) -> dict[str, Value]:
    """Return the document of a file. Raises NotCanonical unless `render` wrote exactly this."""
    try:
        found = json.loads(
            text, object_pairs_hook=_members, parse_float=_refuse, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"it is not JSON of strings and whole numbers ({error})") from error
    if not isinstance(found, dict):
        raise NotCanonical("it is not a JSON object")
    if render(found) != text:
        raise NotCanonical("it was written by something else, or changed since")
    _encoded(text)
    return found


def _members(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotCanonical("a member stands twice")
    return members


def _refuse(literal: str) -> NoReturn:
    raise NotCanonical(f"{literal} is not a whole number")


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("half a character stands in it") from error


def _require_plain(value: object) -> None:
    if type(value) in _PLAIN:
        return
    if isinstance(value, Mapping):
        for name, member in value.items():
            if not (isinstance(name, str) and name.isascii()):
                raise NotCanonical(f"{name!r} is no name of a member")
            if type(member) not in _PLAIN:
                _require_plain(member)
    elif isinstance(value, list | tuple):
        for item in value:
            _require_plain(item)
    else:
        raise NotCanonical(f"{value!r} is neither a string nor a whole number")
