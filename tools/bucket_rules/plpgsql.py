"""PL/pgSQL functions as the single statements that they run.

Owns the splitting of a body into queries and expressions. Must not know what they may say.
Invariant: every piece of a body comes out, as something to read or as something that is not
understood; dynamic SQL is never understood.

Source: PostgreSQL manual, chapter "PL/pgSQL", sections "Basic Statements" and "Control Structures".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FUNCTION = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s+(?P<name>\w+)\s*\((?P<params>.*?)\)"
    r"(?P<head>[^$;]*?)\$(?P<tag>\w*)\$(?P<body>.*?)\$(?P=tag)\$",
    re.S | re.I,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
_INTO = re.compile(
    r"(?<!INSERT )\bINTO (?:STRICT )?[a-z_][\w.]*(?: ?, ?[a-z_][\w.]*)*(?= FROM\b| WHERE\b|$)", re.I
)
_ASSIGNED = re.compile(r"^[a-z_]\w*(?:\.\w+|\[[^]]*\])* ?:?= ?(?P<value>.+)$", re.I)
_DECLARED = re.compile(r"^[a-z_]\w* [\w%. ]+(?:\[\])?(?: ?(?::=|DEFAULT) ?(?P<value>.+))?$", re.I)
_QUERY = re.compile(r"^(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|VALUES|TABLE)\b", re.I)
_SILENT = re.compile(r"^(?:NULL|RETURN|RETURN NEXT|RAISE|EXIT|CONTINUE|END(?: \w+)?|GET .*)$", re.I)
_HANDLED = re.compile(r"^WHEN \w+(?: OR \w+)* THEN\b", re.I)
_OPENERS = re.compile(r"^(?:<<\w+>>|BEGIN\b|ELSE\b|LOOP\b|EXCEPTION\b)", re.I)
_ASKED = {"IF": "THEN", "ELSIF": "THEN", "ELSEIF": "THEN", "WHILE": "LOOP"}


@dataclass(frozen=True, slots=True)
class Function:
    """A function: what it is handed, in order, and its body."""

    name: str
    parameters: list[str]
    bucket_places: list[int]
    """Which parameters are buckets: smallint or smallint[], named `bucket` or `..._bucket`."""
    body: str

    @property
    def buckets(self) -> frozenset[str]:
        """The names of the parameters that are buckets."""
        return frozenset(self.parameters[place] for place in self.bucket_places)


@dataclass(frozen=True, slots=True)
class Piece:
    """A query to read, or (`is_readable` false) a text that nobody here understands."""

    text: str
    is_readable: bool = True


def functions_of(sql: str) -> list[Function]:
    """Return the functions that a file creates."""
    found = []
    for match in _FUNCTION.finditer(_COMMENT.sub(" ", sql)):
        parameters = [words for one in _split(match["params"], ",") if (words := one.split())]
        inputs = [words for words in parameters if words[0].upper() != "OUT"]
        names = [words[0] for words in inputs]
        buckets = [
            place
            for place, words in enumerate(inputs)
            if words[0].split("_")[-1] == "bucket" and words[1] in ("smallint", "smallint[]")
        ]
        found.append(Function(match["name"], names, buckets, match["body"]))
    return found


def pieces_of(function: Function) -> Iterator[Piece]:
    """Return what a function runs, in the order of its text."""
    declaring = False
    for chunk in _split(_COMMENT.sub(" ", function.body), ";"):
        text = re.sub(r"\s+", " ", chunk).strip()
        text = re.sub(r"^#\w+ \w+ ", "", text)
        if re.match(r"DECLARE\b", text, re.I):
            declaring, text = True, text[8:].strip()
        if declaring and not re.match(r"(?:<<\w+>> )?BEGIN\b", text, re.I):
            yield from _declaration(text)
            continue
        declaring = False
        yield from _statement(text)


def _declaration(text: str) -> Iterator[Piece]:
    match = _DECLARED.match(text)
    if match is None:
        yield Piece(text, is_readable=False)
    elif match["value"]:
        yield Piece(f"SELECT {match['value']}")


def _statement(text: str) -> Iterator[Piece]:
    """Peel one layer of control structure after the other off a statement."""
    while text:
        word = text.split(maxsplit=1)[0].upper()
        opener = _OPENERS.match(text) or _HANDLED.match(text)
        if opener:
            text = text[opener.end() :].strip()
        elif word in _ASKED:
            asked, text = _until(text[len(word) :].strip(), _ASKED[word])
            yield Piece(f"SELECT {asked}")
        elif word == "FOR":
            loop, text = _until(text, "LOOP")
            yield _loop(loop)
        else:
            yield from _plain(text)
            return


def _loop(text: str) -> Piece:
    over = re.sub(r"^FOR \w+(?: ?, ?\w+)* IN (?:REVERSE )?", "", text, count=1, flags=re.I)
    if _QUERY.match(over):
        return Piece(over)
    first, dots, last = over.partition("..")
    return Piece(f"SELECT {first}, {last}") if dots else Piece(text, is_readable=False)


def _plain(text: str) -> Iterator[Piece]:
    if _SILENT.match(text):
        return
    when = re.match(r"^(?:EXIT|CONTINUE)(?: \w+)? WHEN (.+)$", text, re.I)
    given = re.match(r"^(?:PERFORM|RETURN QUERY|RETURN NEXT|RETURN) (.+)$", text, re.I)
    if when:
        yield Piece(f"SELECT {when[1]}")
    elif given:
        said = given[1]
        yield Piece(said if _QUERY.match(said) else f"SELECT {said}")
    elif _QUERY.match(text):
        yield Piece(_INTO.sub("", text).strip())
    elif assigned := _ASSIGNED.match(text):
        yield Piece(f"SELECT {assigned['value']}")
    else:
        yield Piece(text, is_readable=False)


def _until(text: str, word: str) -> tuple[str, str]:
    """Split before a word that stands outside brackets, quotes and CASE; the word is dropped."""
    depth = cases = 0
    for match in re.finditer(r"'(?:[^']|'')*'|[()\[\]]|\w+", text):
        said = match[0].upper()
        depth += (said in ("(", "[")) - (said in (")", "]"))
        if depth == 0 and cases == 0 and said == word:
            return text[: match.start()].strip(), text[match.end() :].strip()
        cases += (said == "CASE") - (said == "END" and cases > 0)
    return text, ""


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark that stands outside brackets and quotes."""
    parts, depth, start = [], 0, 0
    for match in re.finditer(r"'(?:[^']|'')*'|[()\[\]]|" + re.escape(mark), text):
        depth += (match[0] in "([") - (match[0] in ")]")
        if match[0] == mark and depth == 0:
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]]
