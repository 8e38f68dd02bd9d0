"""Sealing: committed postings become leaves of the Merkle log, and its heads are signed.

Owns the tables `ledger_log*`. Must not run on the gift path, lock a lane or write a table of the
ledger: it reads what was committed, by the buckets' gapless sequences. Invariant: every posting up
to the marks has exactly one leaf, in an order that never changes; a step that is cut adds nothing.

Like `statements`, these are conversations without I/O; each call is one transaction of the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from largesse.adapters.postgres.sealed_rows import Place, Run, read_entries
from largesse.adapters.postgres.statements import Query, Steps
from largesse.adapters.receipt_key import ReceiptKey
from largesse.ledger.checkpoints import Checkpoint, SigningKey
from largesse.ledger.journals import Event
from largesse.ledger.merkle import Edge, Tile
from largesse.ledger.receipts import Entry
from largesse.money.errors import DomainError, InvariantViolation

STEP_LEAVES = 10_000
"""Leaves of one step: about half a second of work and ten megabytes."""

_NAMED = frozenset({Event.RECHARGE.value, Event.PAYOUT_SETTLED.value, Event.PAYOUT_RETURNED.value})
"""Events whose receipts are asked for by the public id of an order or a payout."""

_READ_STATE = "SELECT size, edge, seen, origin, key_check FROM ledger_log WHERE id = 1"


class WrongReceiptKey(DomainError):
    """The log was begun with another key; sealing on would make receipts that nobody can open."""

    code = "wrong_receipt_key"


@dataclass(frozen=True, slots=True)
class LogState:
    """The log's one row."""

    edge: Edge
    seen: tuple[int, ...]
    origin: str

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self.edge.size


def read_state(key: ReceiptKey, *, lock: str = "") -> Steps[LogState | None]:
    """Read the log; None when it is locked by another and `lock` says not to wait.

    Raises WrongReceiptKey where the log belongs to another key.
    """
    rows = yield Query(f"{_READ_STATE} {lock}")
    if not rows:
        return None
    size, edge, seen, origin, check = rows[0]
    if check is not None and bytes(check) != key.salts.check:
        raise WrongReceiptKey(
            "The log of receipts was begun with another key. Put back the file receipt-key that "
            "the first machine keeps in its data directory."
        )
    return LogState(Edge(size, bytes(edge)), tuple(seen), origin or key.suggested_origin)


def seal(key: ReceiptKey, *, wait: bool = True, limit: int = STEP_LEAVES) -> Steps[int | None]:
    """Append the leaves of the next committed postings; returns how many.

    Fewer than `limit` means that all that was committed at the call is sealed now.
    Of two sealers at once, one waits for the other, or returns None where `wait` is false. Raises
    WrongReceiptKey, and InvariantViolation where sealed postings are gone.
    """
    state = yield from read_state(key, lock="FOR UPDATE" if wait else "FOR UPDATE SKIP LOCKED")
    if state is None:
        return None
    rows = yield Query("SELECT array_agg(last_seq ORDER BY bucket) FROM ledger_bucket")
    runs = _next_runs(state.seen, rows[0][0], limit)
    if not runs:
        return 0
    entries = yield from read_entries(runs, key.salts)
    ordered = list(_in_order(runs, entries))
    edge, tiles = state.edge.grown([entry.leaf for _, entry in ordered])
    yield from _write(state, runs, ordered, tiles)
    seen = list(state.seen)
    for run in runs:
        seen[run.bucket] = run.to_seq
    yield Query(
        "UPDATE ledger_log SET size = %s, edge = %s, seen = %s, origin = %s, key_check = %s "
        "WHERE id = 1",
        (edge.size, edge.hashes, seen, state.origin, key.salts.check),
    )
    return len(ordered)


def begin(key: ReceiptKey) -> Steps[LogState]:
    """Read the log, which from its first reading has this name and this key, for ever.

    Raises WrongReceiptKey.
    """
    yield Query(
        "UPDATE ledger_log SET origin = %s, key_check = %s WHERE id = 1 AND origin IS NULL",
        (key.suggested_origin, key.salts.check),
    )
    state = yield from read_state(key)
    assert state is not None, "a plain read skips nothing"
    return state


def sign_head(key: ReceiptKey, now: datetime) -> Steps[str]:
    """Sign the log as it stands and keep the checkpoint; returns its note. Repeats are the same."""
    state = yield from begin(key)
    signer = SigningKey(state.origin, key.seed)
    note = signer.sign(Checkpoint(state.origin, state.size, state.edge.root))
    yield Query(
        "INSERT INTO ledger_log_checkpoint (size, at, note) VALUES (%s, %s, %s) "
        "ON CONFLICT (size) DO NOTHING",
        (state.size, now, note),
    )
    return note


def publish(size: int, now: datetime) -> Steps[None]:
    """Remember that a checkpoint was handed out: later ones are linked to it."""
    yield Query(
        "UPDATE ledger_log_checkpoint SET published_at = %s "
        "WHERE size = %s AND published_at IS NULL",
        (now, size),
    )


def _next_runs(seen: Sequence[int], last: Sequence[int], limit: int) -> list[Run]:
    """Return what to seal, in order of buckets: each has its share, and less than the limit is all.

    So a bucket with a great backlog does not keep the others waiting.
    """
    behind = [bucket for bucket, mark in enumerate(seen) if last[bucket] < mark]
    if behind:
        raise InvariantViolation(
            f"Postings of bucket {behind[0]} that were sealed are gone: the books were cut or an "
            "older backup was restored. Receipts that were given out name what is missing."
        )
    waiting = {b: last[b] - mark for b, mark in enumerate(seen) if last[b] > mark}
    share = max(1, limit // len(waiting)) if waiting else 0
    taken = {bucket: min(count, share) for bucket, count in waiting.items()}
    for bucket, count in waiting.items():
        taken[bucket] += max(0, min(count - taken[bucket], limit - sum(taken.values())))
    return [Run(bucket, seen[bucket], seen[bucket] + count) for bucket, count in taken.items()]


def _in_order(runs: Sequence[Run], entries: Mapping[Place, Entry]) -> Iterator[tuple[Place, Entry]]:
    for run in runs:
        for place in run.places():
            if place not in entries:
                raise InvariantViolation(f"Bucket {run.bucket} has no posting {place[1]}.")
            yield place, entries[place]


def _write(
    state: LogState,
    runs: Sequence[Run],
    ordered: Sequence[tuple[Place, Entry]],
    tiles: Sequence[Tile],
) -> Steps[None]:
    firsts, first = [], state.size
    for run in runs:
        firsts.append(first)
        first += len(run)
    yield Query(
        "INSERT INTO ledger_log_range (bucket, from_seq, to_seq, first) "
        "SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %s::bigint[])",
        (
            [run.bucket for run in runs],
            [run.from_seq for run in runs],
            [run.to_seq for run in runs],
            firsts,
        ),
    )
    if tiles:
        yield Query(
            "INSERT INTO ledger_log_tile (level, number, hashes) "
            "SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[])",
            (
                [tile.level for tile in tiles],
                [tile.number for tile in tiles],
                [tile.hashes for tile in tiles],
            ),
        )
    named = [
        (bucket, str(entry.document["id"]), seq, str(entry.document["kind"]))
        for (bucket, seq), entry in ordered
        if entry.document["kind"] in _NAMED and entry.document["id"]
    ]
    if named:
        yield Query(
            "INSERT INTO ledger_log_reference (bucket, reference, seq, event) "
            "SELECT * FROM unnest(%s::smallint[], %s::text[], %s::bigint[], %s::text[])",
            tuple(map(list, zip(*named, strict=True))),
        )
