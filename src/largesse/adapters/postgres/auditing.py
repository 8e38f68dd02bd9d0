"""The audit: every leaf rebuilt out of the ledger's rows and held against what was sealed.

Owns the walk over the whole log. Must not repair anything. Invariant: a posting that was changed,
removed or moved since it was sealed is named, and so is a checkpoint that signs another log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from largesse.adapters.postgres.proofs import read_nodes
from largesse.adapters.postgres.sealed_rows import Place, Run, read_entries
from largesse.adapters.postgres.sealing import LogState, read_state
from largesse.adapters.postgres.statements import Query, Steps
from largesse.adapters.receipt_key import ReceiptKey
from largesse.ledger.checkpoints import SigningKey, VerifierKey, open_note
from largesse.ledger.merkle import HASH_BYTES, BadProof, Edge, Node
from largesse.ledger.receipts import Entry

CHUNK = 5_000
_GONE = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed."""

    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Audited:
    """How many leaves and checkpoints were held against the books, and what differs."""

    leaves: int
    checkpoints: int
    findings: list[Finding]


def audit(key: ReceiptKey, advance: Callable[[int], None] = lambda leaves: None) -> Steps[Audited]:
    """Rebuild the log out of the ledger's rows; run it on one snapshot (repeatable read).

    Raises WrongReceiptKey. `advance` is told of every chunk.
    """
    state = yield from read_state(key)
    assert state is not None, "a plain read skips nothing"
    rows = yield Query("SELECT size, note FROM ledger_log_checkpoint ORDER BY size")
    heads: dict[int, str] = dict(rows)
    verifier = SigningKey(state.origin, key.seed).verifier
    edge, findings = Edge(), list(_check_head(heads, verifier, Edge()))
    while edge.size < state.size:
        rows = yield Query(
            "SELECT bucket, from_seq, to_seq, first FROM ledger_log_range "
            "WHERE first >= %s AND first < %s ORDER BY first",
            (edge.size, edge.size + CHUNK),
        )
        runs = [Run(*row[:3]) for row in rows]
        if not _is_gapless(edge.size, rows):
            findings.append(Finding("log", f"The ranges from leaf {edge.size} on are not whole."))
            break
        entries = yield from read_entries(runs, key.salts)
        places = [place for run in runs for place in run.places()]
        leaves = [entries[p].leaf if p in entries else _GONE for p in places]
        findings += yield from _check_leaves(state, edge.size, places, entries, leaves)
        for part in _parts(edge.size, leaves, heads):
            edge, _ = edge.grown(part)
            findings += _check_head(heads, verifier, edge)
        advance(len(leaves))
    over = [size for size in heads if size > edge.size]
    findings += [Finding(f"checkpoint {size}", "The log has fewer leaves.") for size in over]
    return Audited(edge.size, len(heads), findings)


def _is_gapless(first: int, rows: Sequence[tuple[int, ...]]) -> bool:
    for _bucket, from_seq, to_seq, start in rows:
        if start != first:
            return False
        first += to_seq - from_seq
    return bool(rows)


def _check_leaves(
    state: LogState,
    first: int,
    places: Sequence[Place],
    entries: Mapping[Place, Entry],
    leaves: Sequence[bytes],
) -> Steps[list[Finding]]:
    try:
        sealed = yield from read_nodes(state.edge, [Node(0, first + i) for i in range(len(leaves))])
    except BadProof:
        return [Finding("log", f"A tile of the leaves from {first} on is damaged or missing.")]
    findings = []
    for place, leaf, was in zip(places, leaves, sealed, strict=True):
        if leaf == was:
            continue
        where = f"bucket {place[0]}, sequence {place[1]}"
        if place in entries:
            name = str(entries[place].document["id"]) or where
            findings.append(Finding(name, f"It is not what was sealed ({where})."))
        else:
            findings.append(Finding(where, "The posting that was sealed is gone."))
    return findings


def _parts(first: int, leaves: Sequence[bytes], heads: Mapping[int, str]) -> Iterator[list[bytes]]:
    """Cut leaves where a checkpoint was signed."""
    end = first + len(leaves)
    cuts = [size - first for size in heads if first < size < end]
    for start, stop in zip([0, *cuts], [*cuts, len(leaves)], strict=True):
        yield list(leaves[start:stop])


def _check_head(heads: Mapping[int, str], verifier: VerifierKey, edge: Edge) -> Iterator[Finding]:
    """Hold the checkpoint of this size, where there is one, against the rebuilt root."""
    note = heads.get(edge.size)
    if note is None:
        return
    subject = f"checkpoint {edge.size}"
    try:
        checkpoint = open_note(note, verifier)
    except BadProof as bad:
        yield Finding(subject, f"It does not verify: {bad.message}")
        return
    if (checkpoint.size, checkpoint.root) != (edge.size, edge.root):
        yield Finding(subject, "It was signed for another log than the books make.")
