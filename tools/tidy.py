"""Holds the house rules that no other checker holds: `python tools/tidy.py [--json] [PATH ...]`.

Owns the command line and the reading of files; the rules are in `tidy_rules`. Without paths it
reads every file that git tracks or would track. Exit code 0: nothing found; 1: findings, one a
line; 2: it could not look.
Invariant: it checks itself with the same rules as everything else.
"""

import argparse
import ast
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from tidy_rules import TEXT_RULES, TREE_RULES
from tidy_rules.findings import Finding

ROOT = Path(__file__).resolve().parent.parent


def tracked_files(root: Path) -> list[PurePosixPath]:
    """Every file that git tracks or would track, relative to the root.

    Raises subprocess.CalledProcessError or FileNotFoundError where git cannot say.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    names = sorted(set(filter(None, answer.stdout.split("\0"))))
    return [PurePosixPath(name) for name in names if (root / name).is_file()]


def check_text(text: str, path: PurePosixPath) -> Iterator[Finding]:
    """What the rules say about one file's text."""
    for text_rule in TEXT_RULES:
        yield from text_rule(text, path)
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(text, filename=str(path))
    except SyntaxError as error:
        yield Finding(str(path), error.lineno or 1, "syntax", error.msg)
        return
    for tree_rule in TREE_RULES:
        yield from tree_rule(tree, path)


def check_files(root: Path, paths: Iterable[PurePosixPath]) -> list[Finding]:
    """What the rules say about the files; files that are not text are passed over."""
    findings: set[Finding] = set()
    for path in paths:
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        findings.update(check_text(text, path))
    return sorted(findings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the findings and returns the exit code."""
    parser = argparse.ArgumentParser(description="Holds the house rules.")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("paths", nargs="*", type=Path, help="files (default: all of the tree)")
    options = parser.parse_args(arguments)
    try:
        paths = [
            PurePosixPath(path.resolve().relative_to(ROOT).as_posix()) for path in options.paths
        ] or tracked_files(ROOT)
        findings = check_files(ROOT, paths)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"tidy could not look: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
