"""Proofs out of the log: receipts, and links between checkpoints.

Owns the reading of tiles and the choice of a receipt's checkpoint. Must not add leaves; `sealing`
does. Invariant: a proof reads a number of hashes that grows with the logarithm of the log, and a
checkpoint that was handed out once is the one that later receipts are proved at, if it has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from largesse.adapters.postgres.sealed_rows import Place, Run, read_entries
from largesse.adapters.postgres.sealing import LogState, read_state
from largesse.adapters.postgres.statements import Query, Steps
from largesse.adapters.receipt_key import ReceiptKey
from largesse.ledger.checkpoints import Links, SigningKey, open_note
from largesse.ledger.merkle import (
    HASH_BYTES,
    Edge,
    Node,
    Span,
    complete_nodes,
    consistency_spans,
    fold,
    inclusion_spans,
    root_of_slice,
    slice_of,
)
from largesse.ledger.receipts import Entry, Receipt
from largesse.money.errors import DomainError

LINKED = 64
"""Published checkpoints that a new one is linked to without being asked."""


class UnknownPosting(DomainError):
    """No gift, recharge or ended payout has this id."""

    code = "unknown_posting"


class NotSealed(DomainError):
    """The posting is committed but has no leaf, or no checkpoint, yet."""

    code = "not_sealed_yet"
    retry_helps = True


class Altered(DomainError):
    """The rows of a posting are not what was sealed: somebody changed the books since."""

    code = "altered_since_sealed"


@dataclass(frozen=True, slots=True)
class Head:
    """A stored checkpoint."""

    size: int
    note: str


@dataclass(frozen=True, slots=True)
class Proved:
    """An entry with its leaf, ready to become a receipt of either side."""

    entry: Entry
    index: int
    path: list[bytes]
    head: Head
    key: str

    def receipt(self, side: str) -> Receipt:
        """Return the receipt of one side. Raises UnknownPosting for a side that it has not."""
        if side not in self.entry.openings:
            sides = " or ".join(self.entry.openings)
            raise UnknownPosting(f"This posting has no side {side!r}; it has {sides}.")
        return Receipt.of(self.entry, side, self.index, self.path, self.head.note, self.key)


# --- Where a posting is --------------------------------------------------------------------------


def find_place(name: str) -> Steps[Place]:
    """Find a posting by its public id: gft_, rch_, pay_, or a recorded file's own.

    Of several journals under one id the newest ended payout or recharge is meant. Raises
    UnknownPosting, and NotSealed for what is found by its leaf only.
    """
    if name.startswith("gft_"):
        rows = yield from _find_gift(name)
    else:
        rows = yield Query(
            "SELECT f.bucket, f.seq FROM generate_series(0, 127) b CROSS JOIN LATERAL ("
            "SELECT bucket, seq FROM ledger_log_reference o WHERE o.bucket = b "
            "AND o.reference = %s ORDER BY seq DESC LIMIT 1) f ORDER BY f.bucket LIMIT 1",
            (name,),
        )
    if not rows:
        raise UnknownPosting(
            f"No sealed gift, recharge or ended payout has the id {name!r}. Ids begin with "
            "gft_, rch_ or pay_; `largesse statement HOLDER` lists them."
        )
    return rows[0][0], rows[0][1]


def _find_gift(name: str) -> Steps[list[tuple[int, int]]]:
    try:
        key = UUID(name.removeprefix("gft_"))
    except ValueError as error:
        raise UnknownPosting(f"{name!r} is not the id of a gift: gft_ and a UUID.") from error
    rows = yield Query(
        "SELECT g.bucket, g.seq FROM generate_series(0, 63) b CROSS JOIN LATERAL ("
        "SELECT bucket, seq FROM ledger_gift o WHERE o.bucket = b AND o.id = %s OFFSET 0) g",
        (key,),
    )
    return [(row[0], row[1]) for row in rows]


def read_entry(place: Place, key: ReceiptKey) -> Steps[Entry]:
    """Read the entry of a posting. Raises UnknownPosting."""
    bucket, seq = place
    entries = yield from read_entries([Run(bucket, seq - 1, seq)], key.salts)
    if place not in entries:
        raise UnknownPosting(f"Bucket {bucket} has no posting {seq}.")
    return entries[place]


# --- Proofs --------------------------------------------------------------------------------------


def prove(place: Place, key: ReceiptKey, *, at_size: int | None = None) -> Steps[Proved]:
    """Prove a posting at the newest published checkpoint that has it, or the newest at all.

    `at_size` asks for one checkpoint. Raises NotSealed, UnknownPosting, WrongReceiptKey, and
    Altered where the posting is not what its leaf was made of.
    """
    state = yield from _state(key)
    index = yield from _leaf_index(place)
    head = yield from _head(index, at_size)
    entry = yield from read_entry(place, key)
    sealed = yield from read_nodes(state.edge, [Node(0, index)])
    if sealed != [entry.leaf]:
        raise Altered("The books have been changed since this was sealed; no receipt can be made.")
    path = yield from _read_spans(state.edge, inclusion_spans(index, head.size))
    return Proved(entry, index, path, head, SigningKey(state.origin, key.seed).verifier.text)


def links_to(note: str, key: ReceiptKey, *, sizes: Sequence[int] = ()) -> Steps[Links]:
    """Link a checkpoint of ours to older ones: those of `sizes`, or those published last."""
    state = yield from _state(key)
    new = open_note(note, SigningKey(state.origin, key.seed).verifier).size
    if not sizes:
        rows = yield Query(
            "SELECT size FROM ledger_log_checkpoint WHERE published_at IS NOT NULL "
            "AND size BETWEEN 1 AND %s ORDER BY size DESC LIMIT %s",
            (new - 1, LINKED),
        )
        sizes = [row[0] for row in rows]
    proofs = {}
    for old in sizes:
        if 0 < old < new:
            proofs[old] = yield from _read_spans(state.edge, consistency_spans(old, new))
    return Links(note, proofs)


def _state(key: ReceiptKey) -> Steps[LogState]:
    state = yield from read_state(key)
    assert state is not None, "a plain read skips nothing"
    return state


def _leaf_index(place: Place) -> Steps[int]:
    bucket, seq = place
    rows = yield Query(
        "SELECT first + %s - from_seq - 1, to_seq FROM ledger_log_range "
        "WHERE bucket = %s AND from_seq < %s ORDER BY from_seq DESC LIMIT 1",
        (seq, bucket, seq),
    )
    if not rows or rows[0][1] < seq:
        raise NotSealed("This posting is not sealed yet; it will be within a minute.")
    return int(rows[0][0])


def _head(index: int, at_size: int | None) -> Steps[Head]:
    rows = yield Query(
        "SELECT size, note FROM ledger_log_checkpoint WHERE size > %s "
        "AND (%s::bigint IS NULL OR size = %s) "
        "ORDER BY published_at IS NOT NULL DESC, size DESC LIMIT 1",
        (index, at_size, at_size),
    )
    if not rows:
        which = "checkpoint" if at_size is None else f"stored checkpoint of {at_size} leaves"
        raise NotSealed(f"No {which} has this posting; a new one is signed within a minute.")
    return Head(*rows[0])


def _read_spans(edge: Edge, spans: Sequence[Span]) -> Steps[list[bytes]]:
    """Read the hash of each span, in one statement."""
    parts = [complete_nodes(span) for span in spans]
    roots = yield from read_nodes(edge, [node for nodes in parts for node in nodes])
    waiting = iter(roots)
    return [fold([next(waiting) for _ in nodes]) for nodes in parts]


def read_nodes(edge: Edge, nodes: Sequence[Node]) -> Steps[list[bytes]]:
    """Read the hashes of complete subtrees. Raises BadProof where a tile is damaged or missing."""
    slices = [slice_of(node) for node in nodes]
    found = [edge.read(one) for one in slices]
    stored = [i for i, hashes in enumerate(found) if hashes is None]
    if stored:
        wanted = [slices[i] for i in stored]
        rows = yield Query(
            "SELECT s.i, substr(t.hashes, s.start, s.length) "
            "FROM unnest(%s::int[], %s::smallint[], %s::bigint[], %s::int[], %s::int[]) "
            "s (i, level, number, start, length) "
            "JOIN ledger_log_tile t ON t.level = s.level AND t.number = s.number",
            (
                stored,
                [one.level for one in wanted],
                [one.tile for one in wanted],
                [one.offset * HASH_BYTES + 1 for one in wanted],
                [one.count * HASH_BYTES for one in wanted],
            ),
        )
        for i, hashes in rows:
            found[i] = bytes(hashes)
    return [root_of_slice(hashes or b"", s.count) for hashes, s in zip(found, slices, strict=True)]
