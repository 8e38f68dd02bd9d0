"""Two-phase journals in the database: held, and then posted, voided or expired.

Owns the statements of holds. Must not know which connection runs them. Invariant: a hold ends under
the lane of its bucket, so that its coins are free and its journal is posted in one transaction or
not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from largesse.adapters.postgres.columns import arrays
from largesse.adapters.postgres.statements import (
    Query,
    Steps,
    call,
    fingerprint,
    post_journals,
)
from largesse.ledger.errors import Frozen, InsufficientBalance, KeyReused
from largesse.ledger.holds import Held, Hold, State, ended
from largesse.ledger.journal_content import content_of, journal_of
from largesse.ledger.ports import Posted
from largesse.money.errors import DomainError
from largesse.money.ids import BUCKETS

_HOLD = "smallint uuid text bigint timestamptz timestamptz text bytea jsonb"
_RESERVATION = "integer bigint text text bigint"
_HOLD_JOURNALS = call("ledger_hold_journals", "outcome, replayed", f"{_HOLD} {_RESERVATION}")
_RESOLVE = (
    "SELECT outcome, resolved, content::json FROM ledger_resolve_holds("
    "%s::smallint[], %s::uuid[], %s, %s)"
)


def hold_journals(holds: Sequence[Hold]) -> Steps[list[Held | DomainError]]:
    """Make journals pending, one after the other; a refused one is its refusal in the result.

    Refusals: KeyReused, Frozen, InsufficientBalance. What was held before under the same id, with
    the same content and reason, is answered as it stands now.
    """
    if not holds:
        return []
    heads = [
        (
            h.journal.bucket,
            h.journal.id,
            h.journal.event.value,
            h.journal.holder,
            h.journal.at,
            h.expires_at,
            h.reason,
            fingerprint(h.journal),
            json.dumps(content_of(h.journal)),
        )
        for h in holds
    ]
    reserved = [
        (of, side.holder, side.account.code, asset.code, minor)
        for of, h in enumerate(holds, start=1)
        for (side, asset), minor in h.reservations.items()
    ]
    rows = yield Query(_HOLD_JOURNALS, [*arrays(_HOLD, heads), *arrays(_RESERVATION, reserved)])
    return [
        _refusal(h, outcome)
        or Held(h.journal.bucket, h.journal.id, State(outcome), replayed=replayed)
        for h, (outcome, replayed) in zip(holds, rows, strict=True)
    ]


def _refusal(hold: Hold, outcome: str) -> DomainError | None:
    holder, key = hold.journal.holder, hold.journal.id
    match outcome:
        case "key_reused":
            return KeyReused(
                f"The key {key} stands for something else. Send a new key for a new wish.",
                key=str(key),
            )
        case "frozen":
            return Frozen("The account is frozen; nothing was held.", holder=holder)
        case "in_debt":
            return InsufficientBalance(
                "A debt must be settled first; nothing was held.", holder=holder
            )
        case "insufficient":
            return InsufficientBalance("Less is free than this would hold.", holder=holder)
    return None


def hold_journal(hold: Hold) -> Steps[Held]:
    """Make one journal pending; raises what `hold_journals` returns as a refusal."""
    [held] = yield from hold_journals([hold])
    if isinstance(held, DomainError):
        raise held
    return held


def post_hold(bucket: int, key: UUID, at: datetime) -> Steps[Posted]:
    """Release what the journal reserves, and post it; see `ledger.ports.Book.post_hold`."""
    [(stood, resolved, content)] = yield _resolve([bucket], [key], State.POSTED, at)
    ended(key, State.POSTED, stood, resolved=resolved)
    [posted] = yield from post_journals([journal_of(content)])
    return posted


def void_holds(holds: Sequence[tuple[int, UUID]], at: datetime) -> Steps[list[Held]]:
    """Release what the holds, named by bucket and id, reserve; nothing of them is posted.

    Takes all their lanes in ascending order, so what is posted next in the same transaction in
    these buckets finds the coins free. Raises UnknownHold and HoldResolved for the first hold that
    cannot be voided: the transaction must then be given up.
    """
    buckets, keys = [bucket for bucket, _ in holds], [key for _, key in holds]
    rows = yield _resolve(buckets, keys, State.VOIDED, at)
    return [
        Held(bucket, key, State.VOIDED, ended(key, State.VOIDED, stood, resolved=resolved))
        for (bucket, key), (stood, resolved, _) in zip(holds, rows, strict=True)
    ]


def expire_holds(now: datetime, limit: int) -> Steps[int]:
    """Expire at most `limit` holds whose time has come; returns how many.

    Two sweeps at once expire each hold once: what the other took first is seen under its lane.
    """
    due = yield Query(
        "SELECT bucket, id FROM ledger_pending WHERE bucket = ANY (%s::smallint[]) "
        "AND state = 'pending' AND expires_at <= %s ORDER BY bucket, expires_at LIMIT %s",
        (list(range(BUCKETS)), now, limit),
    )
    if not due:
        return 0
    rows = yield _resolve([row[0] for row in due], [row[1] for row in due], State.EXPIRED, now)
    return sum(resolved for _, resolved, _ in rows)


def _resolve(buckets: Sequence[int], keys: Sequence[UUID], wish: State, at: datetime) -> Query:
    return Query(_RESOLVE, (list(buckets), list(keys), wish.value, at))
