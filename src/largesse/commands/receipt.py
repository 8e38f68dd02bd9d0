"""`largesse receipt`: a receipt written out, verified offline, the public key, and the audit.

Owns the four commands. Must not decide whether a proof holds: the ledger's pure verifier does.
Invariant: `verify` opens no database and loads no framework, so that anybody can run it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from largesse.commands.failures import EXIT_CODES_HELP, ExitCode
from largesse.commands.options import DEFAULT_DATA, DataOption, JsonOption

if TYPE_CHECKING:
    from largesse.ledger.checkpoints import Checkpoint, Links, VerifierKey
    from largesse.ledger.merkle import BadProof
    from largesse.ledger.receipts import Receipt

app = typer.Typer(
    help="Prove a gift, a recharge or a payout, and verify such a proof without us.",
    no_args_is_help=True,
    epilog=EXIT_CODES_HELP,
)

OutputOption = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE", help="Where to write; - is stdout.")
]


class Side(StrEnum):
    """Whose receipt of a posting."""

    FAN = "fan"
    CREATOR = "creator"


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="gft_..., rch_... or pay_..., as statements say.")
    ],
    file: OutputOption = "-",
    side: Annotated[
        Side | None, typer.Option(help="Whose receipt of a gift; the fan's without it.")
    ] = None,
    at: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="Prove it at this checkpoint of ours."),
    ] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Write the receipt of a posting; what is not sealed yet is sealed first."""
    from largesse.adapters import clock, receipt_key
    from largesse.adapters.receipts import services
    from largesse.commands.database import open_books
    from largesse.commands.printing import notes
    from largesse.ledger.checkpoints import open_note

    handed = read_links(at) if at else None
    with open_books(data) as books:
        books.use_django()
        key = receipt_key.load(_config())
        at_size = None
        if handed is not None:
            at_size = open_note(handed.note, services.verifier(key)).size
        proved = services.issue(name, key, clock.now(), at_size=at_size)
    receipt = proved.receipt(side.value if side else next(iter(proved.entry.openings)))
    write_text(file, receipt.text)
    if file != "-":
        notes().print(
            f"Wrote the {receipt.side}'s receipt of {name}: leaf {proved.index} of "
            f"{proved.head.size}."
        )


@app.command()
def key(file: OutputOption = "-", data: DataOption = DEFAULT_DATA) -> None:
    """Write the log's public key: publish it where fans and creators find it."""
    from largesse.adapters import receipt_key
    from largesse.adapters.receipts import services
    from largesse.commands.database import open_books

    with open_books(data) as books:
        books.use_django()
        write_text(file, services.verifier(receipt_key.load(_config())).text + "\n")


@app.command()
def audit(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Hold the whole ledger against what was sealed; exits with 1 and names what differs."""
    from largesse.adapters import receipt_key
    from largesse.adapters.postgres import auditing, checks
    from largesse.adapters.postgres.book import run
    from largesse.adapters.receipts import services
    from largesse.commands.database import open_books
    from largesse.commands.printing import answers, print_json, progress

    with open_books(data) as books:
        books.use_django()
        found = receipt_key.load(_config())
        leaves = services.sealed_leaves(found)
        with checks.snapshot(), progress("Comparing", leaves) as advance:
            done = run(auditing.audit(found, advance))
    if as_json:
        differs = [{"subject": f.subject, "message": f.message} for f in done.findings]
        whole = {"ok": not differs, "leaves": done.leaves, "checkpoints": done.checkpoints}
        print_json(whole | {"findings": differs})
    else:
        for finding in done.findings:
            answers().print(f"{finding.subject}: {finding.message}", style="red", markup=False)
        verdict = f"{len(done.findings)} differ" if done.findings else "all as they were sealed"
        answers().print(
            f"{done.leaves:,} postings and {done.checkpoints:,} checkpoints: {verdict}."
        )
    if done.findings:
        raise typer.Exit(ExitCode.REFUSED)


# --- verify --------------------------------------------------------------------------------------


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A receipt.")],
    at: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A checkpoint that you hold, or a file of `largesse checkpoint --since`.",
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The operator's published public key."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a receipt offline; exits with 1 and names the part that is wrong."""
    from largesse.ledger.checkpoints import VerifierKey
    from largesse.ledger.merkle import BadProof
    from largesse.ledger.receipts import Receipt

    try:
        trusted = VerifierKey.parse(read_text(key_file, "key").strip()) if key_file else None
        receipt = Receipt.parse(read_text(file, "format"))
        if at is None:
            checkpoint = receipt.verify(trusted)
        else:
            checkpoint = receipt.verify_against(read_links(at), trusted)
    except BadProof as bad:
        _print_bad(bad, as_json=as_json)
        raise typer.Exit(ExitCode.REFUSED) from bad
    _print_good(receipt, checkpoint, trusted, as_json=as_json)


def read_links(path: Path) -> Links:
    """Read a checkpoint: a bare note, with its neighbour FILE.links where there is one.

    Raises BadProof for what is no checkpoint, and OSError.
    """
    from largesse.ledger.checkpoints import Links

    found = Links.parse(read_text(path, "checkpoint"))
    beside = links_file(path)
    if not found.proofs and beside.is_file():
        linked = Links.parse(read_text(beside, "consistency"))
        # One that is left over from another checkpoint proves nothing here.
        if linked.note == found.note:
            return linked
    return found


def links_file(path: Path) -> Path:
    """Return where the links of a checkpoint's file lie."""
    return path.with_name(f"{path.name}.links")


def read_text(path: Path, part: str) -> str:
    """Read a file to the bit: no line ending is changed. Raises BadProof(part) and OSError."""
    from largesse.ledger.merkle import BadProof

    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise BadProof(part, f"{path} is not a text.") from error


def write_text(file: str, text: str) -> None:
    """Write a whole file, or to stdout for -."""
    if file == "-":
        typer.echo(text, nl=False)
    else:
        Path(file).write_bytes(text.encode())


def _print_bad(bad: BadProof, *, as_json: bool) -> None:
    from largesse.commands.printing import answers, print_json

    if as_json:
        print_json({"ok": False, "part": bad.part, "message": bad.message})
    else:
        answers().print(f"This receipt does not hold. {bad.message}", style="red", markup=False)


def _print_good(
    receipt: Receipt, checkpoint: Checkpoint, trusted: VerifierKey | None, *, as_json: bool
) -> None:
    from largesse.commands.printing import answers, notes, print_json

    facts: dict[str, Any] = {
        "ok": True,
        "entry": receipt.entry,
        "side": receipt.side,
        "holder": receipt.opening["holder"],
        "leaf": receipt.index,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "key": receipt.key,
        "key_is_trusted": trusted is not None,
    }
    if as_json:
        print_json(facts)
        return
    what = receipt.entry.get("id") or receipt.entry.get("journal")
    answers().print(
        f"This receipt holds: {receipt.entry.get('kind')} {what} of {receipt.entry.get('at')}, "
        f"{receipt.side} {facts['holder']}.\nIt is leaf {receipt.index} of the log "
        f"{checkpoint.origin} at {checkpoint.size} leaves, root {facts['root']}.",
        markup=False,
    )
    if trusted is None:
        notes().print(
            f"The key is the receipt's own, {receipt.key}: compare it with the one that the "
            "operator publishes, or pass that with --key.",
            markup=False,
        )


def _config() -> Any:
    from django.conf import settings

    return settings.CONFIG
