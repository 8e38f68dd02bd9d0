"""`largesse checkpoint`: the head of the log, sealed now, signed and written out.

Owns the command. Must not know how a log is sealed or signed. Invariant: whoever keeps the file can
later ask whether the books still extend it, and be answered by a proof.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from largesse.commands.options import DEFAULT_DATA, DataOption
from largesse.commands.receipt import (
    OutputOption,
    links_file,
    read_links,
    read_text,
    write_text,
)

if TYPE_CHECKING:
    from largesse.ledger.checkpoints import Checkpoint, VerifierKey


def checkpoint(
    file: OutputOption = "-",
    since: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="An older checkpoint, or a receipt: write the proof that this one extends it.",
        ),
    ] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Seal what is committed now and write the signed note (C2SP tlog-checkpoint).

    FILE is the note alone. Beside it, FILE.links proves that it extends the checkpoints that were
    handed out before, which `receipt verify` reads. With --since FILE holds note and proof.
    """
    from largesse.adapters import clock, receipt_key
    from largesse.adapters.receipts import services
    from largesse.commands.database import open_books
    from largesse.commands.printing import notes

    with open_books(data) as books:
        books.use_django()
        from django.conf import settings

        key = receipt_key.load(settings.CONFIG)
        links = services.new_checkpoint(key, clock.now())
        verifier = services.verifier(key)
        if since is not None:
            links = services.link(links.note, _old(since, verifier), key)
    write_text(file, links.note if since is None else links.text)
    if file == "-":
        return
    if since is None:
        write_text(str(links_file(Path(file))), links.text)
    origin, size, *_ = links.note.split("\n")
    notes().print(f"Wrote the checkpoint of {origin} at {size} leaves.", markup=False)


def _old(path: Path, verifier: VerifierKey) -> Checkpoint:
    """Return the checkpoint of a file, also of a receipt's. Raises BadProof."""
    from largesse.ledger.checkpoints import open_note
    from largesse.ledger.receipts import RECEIPT_FORMAT, Receipt

    text = read_text(path, "checkpoint")
    if f'"{RECEIPT_FORMAT}"' in text:
        return Receipt.parse(text).verify(verifier)
    return open_note(read_links(path).note, verifier)
