"""What is sealed of the ledger's rows: gifts and journals by their places, as entries.

Owns the statements that read them. Must not write, and must not decide what an entry holds:
`ledger.receipts` does. Invariant: each column of a posting stands in its entry or in an opening
(but the fingerprint, which follows from the others), so that no sealed row can be changed unseen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from largesse.adapters.postgres.columns import Row
from largesse.adapters.postgres.statements import Query, Steps
from largesse.ledger.receipts import (
    Entry,
    Salts,
    SealedGift,
    SealedJournal,
    entry_of_gift,
    entry_of_journal,
)
from largesse.money.ids import PLATFORM, HolderId

Place = tuple[int, int]
"""Bucket and sequence of a posting."""


@dataclass(frozen=True, slots=True)
class Run:
    """The postings (from_seq, to_seq] of one bucket."""

    bucket: int
    from_seq: int
    to_seq: int

    def __len__(self) -> int:
        return self.to_seq - self.from_seq

    def places(self) -> Iterator[Place]:
        """Yield the places of the run in order."""
        return ((self.bucket, seq) for seq in range(self.from_seq + 1, self.to_seq + 1))


# OFFSET 0 keeps each run a scan by key, whatever the statistics say of tables that grow fast.
_RUNS = "unnest(%s::smallint[], %s::bigint[], %s::bigint[]) r (bucket, from_seq, to_seq)"
_GIFTS = f"""
    SELECT g.bucket, g.seq, g.at, g.id, g.fan, g.creator, g.room, g.gift, g.count, g.coins, g.bonus,
           g.policy, g.streak_seq, g.prev_seq, g.paid_from, g.paid_to, g.bonus_from, g.bonus_to
    FROM {_RUNS} CROSS JOIN LATERAL (
        SELECT * FROM ledger_gift o
        WHERE o.bucket = r.bucket AND o.seq > r.from_seq AND o.seq <= r.to_seq OFFSET 0) g
"""  # noqa: S608 - constants only
_JOURNALS = f"""
    SELECT j.bucket, j.seq, j.at, j.id, j.event, j.holder, j.reference, j.detail::text,
           t.lines, l.lots, v.voids
    FROM {_RUNS} CROSS JOIN LATERAL (
        SELECT * FROM ledger_journal o
        WHERE o.bucket = r.bucket AND o.seq > r.from_seq AND o.seq <= r.to_seq OFFSET 0) j
    CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(
            debit, debit_holder, credit, credit_holder, asset, amount) ORDER BY line) AS lines
        FROM ledger_transfer o WHERE o.bucket = j.bucket AND o.seq = j.seq) t
    CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(
            class, start, stop, price_minor, tax_minor, currency, channel, reference,
            to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
            ORDER BY class, start) AS lots
        FROM ledger_lot o
        WHERE o.bucket = j.bucket AND o.holder = j.holder AND o.seq = j.seq) l
    CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(class, start, stop) ORDER BY class, start) AS voids
        FROM ledger_void o
        WHERE o.bucket = j.bucket AND o.holder = j.holder AND o.seq = j.seq) v
"""  # noqa: S608 - constants only


def read_entries(runs: Sequence[Run], salts: Salts) -> Steps[dict[Place, Entry]]:
    """Read the entries of some runs; a place whose row is gone is not in the answer."""
    columns = (
        [run.bucket for run in runs],
        [run.from_seq for run in runs],
        [run.to_seq for run in runs],
    )
    gifts = yield Query(_GIFTS, columns)
    journals = yield Query(_JOURNALS, columns)
    entries = {(row[0], row[1]): entry_of_gift(_gift(row), salts) for row in gifts}
    for row in journals:
        entries[row[0], row[1]] = entry_of_journal(_journal(row), salts)
    return entries


def _gift(row: Row) -> SealedGift:
    *plain, paid_from, paid_to, bonus_from, bonus_to = row
    return SealedGift(*[*plain, (paid_from, paid_to), (bonus_from, bonus_to)])


def _journal(row: Row) -> SealedJournal:
    bucket, seq, at, key, event, holder, reference, detail, lines, lots, voids = row
    return SealedJournal(
        bucket,
        seq,
        at,
        key,
        event,
        HolderId(holder),
        reference,
        _plain_detail(detail),
        tuple(_line(line, holder) for line in lines or ()),
        tuple((*lot[:8], lot[8] or "") for lot in lots or ()),
        tuple(tuple(void) for void in voids or ()),
    )


def _line(line: Sequence[Any], owner: int) -> tuple[str, str, str, int]:
    debit, debit_holder, credit, credit_holder, asset, amount = line
    return _side(debit, debit_holder, owner), _side(credit, credit_holder, owner), asset, amount


def _side(code: str, holder: int, owner: int) -> str:
    """Name an account without its holder: there is one at most, and the opening tells who."""
    if holder == PLATFORM:
        return code
    return f"{code}:owner" if holder == owner else f"{code}:{holder}"


def _plain_detail(detail: str) -> str:
    """Return a journal's detail as one text, however the database spells JSON."""
    found = json.loads(detail, parse_float=str)
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
