"""Pages keep the content policy: no inline code or style, no asset from another origin.

Owns what a template, style sheet or script may hold. The operator's console is excepted: its
framework needs inline code, and its pages carry a policy of their own.
Invariant: no page makes a browser ask anyone but this origin.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tidy_rules.findings import Finding, in_product

CONSOLE = frozenset({"admin", "console", "unfold"})
ASSETS = frozenset({".css", ".js", ".svg"})

_DJANGO_COMMENT = re.compile(r"\{#.*?#\}|\{%\s*comment\b.*?%\}.*?\{%\s*endcomment\s*%\}", re.S)
_STYLE = re.compile(r"<[a-z][^<>]*\sstyle\s*=", re.I)
_STYLE_BLOCK = re.compile(r"<style\b", re.I)
_HANDLER = re.compile(r"<[a-z][^<>]*\son[a-z]+\s*=\s*[\"']", re.I)
# A block of JSON is data: the browser never runs it.
_SCRIPT = re.compile(r"<script\b(?![^>]*\b(?:src\s*=|type\s*=\s*[\"']application/json))", re.I)
_FOREIGN_ATTRIBUTE = re.compile(
    r"\b(?:src|srcset|poster|xlink:href)\s*=\s*[\"'](?:https?:)?//"
    r"|<(?:link|use|image|base)\b[^>]*\bhref\s*=\s*[\"'](?:https?:)?//",
    re.I,
)
_FOREIGN_ASSET = re.compile(
    r"url\(\s*[\"']?(?:https?:)?//|@import\b[^;]*//|(?:import|fetch)\b[^;\n]*[\"'](?:https?:)?//"
    r"|\bnew\s+(?:EventSource|WebSocket|Worker)\(\s*[\"'`](?:https?:|wss?:)?//",
    re.I,
)

_INLINE = (
    (_STYLE, "style=: put it into a style sheet"),
    (_STYLE_BLOCK, "<style>: put it into a style sheet"),
    (_HANDLER, "an inline event handler: put it into a script file"),
    (_SCRIPT, "<script> without src: put it into a script file"),
)


def is_page(path: PurePosixPath) -> bool:
    """Whether the file is a template that a fan or creator sees."""
    return (
        in_product(path)
        and "templates" in path.parts
        and path.suffix == ".html"
        and not CONSOLE.intersection(path.parts)
    )


def no_inline_code(text: str, path: PurePosixPath) -> Iterator[Finding]:
    """What the content policy would block is refused before a browser does."""
    if not is_page(path):
        return
    markup = _blank(_DJANGO_COMMENT, text)
    for pattern, message in _INLINE:
        for match in pattern.finditer(markup):
            line = markup.count("\n", 0, match.end()) + 1
            yield Finding(str(path), line, "inline-code", message)


def no_foreign_assets(text: str, path: PurePosixPath) -> Iterator[Finding]:
    """Pictures, styles, scripts and fonts are served by us; a plain link may lead elsewhere."""
    asset = in_product(path) and path.suffix in ASSETS
    if not (is_page(path) or asset):
        return
    markup = _blank(_DJANGO_COMMENT, text)
    for pattern in (_FOREIGN_ATTRIBUTE, _FOREIGN_ASSET):
        for match in pattern.finditer(markup):
            line = markup.count("\n", 0, match.end()) + 1
            yield Finding(str(path), line, "foreign-asset", "an asset of another origin")


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """The text without what the pattern matches, with every line where it was."""
    return pattern.sub(lambda match: "\n" * match[0].count("\n"), text)
