"""Options that several commands share.

Owns their names, help and environment variables. Must not read them. Invariant: an option means the
same on every command that has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="LARGESSE_DATA",
        help="Where the product keeps its database, secret and logs.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, for machines.")
]

DEFAULT_DATA = Path(".largesse")
