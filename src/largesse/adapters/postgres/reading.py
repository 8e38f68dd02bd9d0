"""Reads of the ledger for pages, statements and the console, on Django's connection.

Owns how rows become entries with the balance after each. Must not write. Invariant: an account's
entries, oldest first, sum to its balance; the balance after the newest entry is the stored one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection

from largesse.ledger.rules import gift_transfers
from largesse.money.ids import PLATFORM, HolderId, creator_bucket, fan_bucket

_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Change:
    """What one event did to one account: `change` and `balance_after` in minor units, signed."""

    account: str
    asset: str
    change: int
    balance_after: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a holder's statement, with its changes. `detail` holds facts, no names."""

    bucket: int
    seq: int
    at: datetime
    event: str
    reference: str
    changes: tuple[Change, ...]
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of a statement ended: what comes next is older. Sign it before you show it.

    Journals below `journal_seq`, the gift `gift_seq` (0: none) and those before it, and the
    creator's journals below `creator_seq` (0: leave them out) come next, and `balances` are those
    after them. As made by default it stands at the newest posting of the moment.
    """

    journal_seq: int = _LAST
    gift_seq: int = _LAST
    creator_seq: int = _LAST
    balances: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first, and the cursor of the next page (None: that was all)."""

    entries: tuple[Entry, ...]
    next: Cursor | None = field(default=None)


_JOURNALS = """
    SELECT j.seq, j.at, j.event, j.reference, j.detail::json,
           json_agg(json_build_array(t.debit, t.debit_holder, t.credit, t.credit_holder, t.asset,
                                     t.amount) ORDER BY t.line)
    FROM (SELECT * FROM ledger_journal
          WHERE bucket = %s AND holder = %s AND seq < %s ORDER BY seq DESC LIMIT %s) j
    JOIN ledger_transfer t ON t.bucket = j.bucket AND t.seq = j.seq
    GROUP BY j.seq, j.at, j.event, j.reference, j.detail ORDER BY j.seq DESC
"""

_GIFT_CHAIN = """
    WITH RECURSIVE chain AS (
        SELECT g.* FROM ledger_gift g WHERE g.bucket = %s AND g.seq = %s
        UNION ALL
        SELECT g.* FROM chain c JOIN ledger_gift g ON g.bucket = c.bucket AND g.seq = c.prev_seq
        WHERE c.prev_seq > 0
    )
    SELECT seq, at, id, creator, room, gift, count, coins, bonus, policy, streak_seq, prev_seq,
           paid_from, paid_to, bonus_from, bonus_to
    FROM chain LIMIT %s
"""


# One statement, so that balances and sequences are of one moment while gifts pour in.
_STANDING = """
    SELECT c.code, 'COIN' AS asset, c.value
    FROM ledger_wallet w CROSS JOIN LATERAL (VALUES
        ('fan_paid', paid_issued - paid_next - paid_void),
        ('fan_bonus', bonus_issued - bonus_next - bonus_void),
        ('fan_debt', -debt)) c (code, value)
    WHERE w.bucket = %(fan)s AND w.holder = %(holder)s
    UNION ALL
    SELECT code, asset, balance FROM ledger_account
    WHERE bucket IN (%(fan)s, %(creator)s) AND holder = %(holder)s
    UNION ALL
    SELECT 'gift_seq', '', head_seq FROM ledger_wallet
    WHERE bucket = %(fan)s AND holder = %(holder)s
    UNION ALL
    SELECT CASE bucket WHEN %(fan)s THEN 'journal_seq' ELSE 'creator_seq' END, '', last_seq + 1
    FROM ledger_bucket WHERE bucket IN (%(fan)s, %(creator)s)
"""
_PLACE = ""
"""The asset of rows of `_STANDING` that are places in a sequence."""


@dataclass(frozen=True, slots=True)
class GiftRow:
    """One gift as it stands in the ledger. Coins are whole; ranges are serials."""

    seq: int
    at: datetime
    id: str
    fan: HolderId
    creator: HolderId
    room: int
    gift: int
    count: int
    coins: int
    bonus: int
    policy: int
    streak_seq: int
    prev_seq: int
    paid: tuple[int, int]
    bonus_range: tuple[int, int]


def _rows(sql: str, params: tuple[Any, ...] | dict[str, int] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def balances(holder: HolderId) -> dict[tuple[str, str], int]:
    """Return every balance of a holder by (account code, asset), in minor units."""
    rows = _rows(_STANDING, _standing_params(holder))
    return {(code, asset): value for code, asset, value in rows if asset != _PLACE}


def platform_balances() -> dict[tuple[str, str], int]:
    """Return the platform's own accounts summed over all buckets, in minor units."""
    rows = _rows(
        "SELECT code, asset, sum(balance)::bigint FROM ledger_account WHERE holder = 0 "
        "GROUP BY code, asset "
        "UNION ALL SELECT 'gift_clearing', 'COIN', sum(gift_clearing)::bigint FROM ledger_bucket"
    )
    return {(code, asset): value for code, asset, value in rows}


def gifts_of_fan(holder: HolderId, limit: int, before_seq: int | None = None) -> list[GiftRow]:
    """Return a fan's gifts, newest first, by the chain that every gift carries."""
    bucket = fan_bucket(holder)
    if before_seq is None:
        head = _rows(
            "SELECT head_seq FROM ledger_wallet WHERE bucket = %s AND holder = %s", (bucket, holder)
        )
    else:
        head = _rows(
            "SELECT prev_seq FROM ledger_gift WHERE bucket = %s AND seq = %s AND fan = %s",
            (bucket, before_seq, holder),
        )
    return _gift_chain(holder, head[0][0] if head else 0, limit)


def gift_at(bucket: int, seq: int) -> GiftRow | None:
    """Return the gift that stands at a place, or None."""
    rows = _rows(
        "SELECT fan, seq, at, id, creator, room, gift, count, coins, bonus, policy, streak_seq, "
        "prev_seq, paid_from, paid_to, bonus_from, bonus_to FROM ledger_gift "
        "WHERE bucket = %s AND seq = %s",
        (bucket, seq),
    )
    return _gift(HolderId(rows[0][0]), rows[0][1:]) if rows else None


def _gift_chain(holder: HolderId, seq: int, limit: int) -> list[GiftRow]:
    """Return a fan's gift and those before it, newest first; 0 is no gift."""
    if not seq:
        return []
    return [_gift(holder, row) for row in _rows(_GIFT_CHAIN, (fan_bucket(holder), seq, limit))]


def _gift(fan: HolderId, row: tuple[Any, ...]) -> GiftRow:
    """Build a gift from the columns of `_GIFT_CHAIN`."""
    columns = ("seq", "at", "id", "creator", "room", "gift", "count", "coins", "bonus", "policy")
    plain = dict(zip((*columns, "streak_seq", "prev_seq"), row, strict=False))
    plain["id"] = str(plain["id"])
    return GiftRow(fan=fan, **plain, paid=(row[12], row[13]), bonus_range=(row[14], row[15]))


def gifts_to_creator(creator: HolderId, limit: int) -> list[GiftRow]:
    """Return the newest gifts that a creator has been credited with, newest first."""
    rows = _rows(
        """
        SELECT g.fan, g.seq, g.at, g.id, g.creator, g.room, g.gift, g.count, g.coins, g.bonus,
               g.policy, g.streak_seq, g.prev_seq, g.paid_from, g.paid_to, g.bonus_from, g.bonus_to
        FROM (SELECT bucket, tick, policy, seq FROM ledger_earning
              WHERE bucket = %s AND creator = %s ORDER BY seq DESC LIMIT %s) e
        JOIN ledger_tick k ON k.bucket = e.bucket AND k.tick = e.tick
        CROSS JOIN LATERAL unnest(k.from_seq, k.to_seq) WITH ORDINALITY s (from_seq, to_seq, i)
        JOIN ledger_gift g ON g.bucket = s.i - 1 AND g.seq > s.from_seq AND g.seq <= s.to_seq
        WHERE g.creator = %s AND g.policy = e.policy
        ORDER BY e.seq DESC, g.at DESC, g.bucket, g.seq DESC LIMIT %s
        """,
        (creator_bucket(creator), creator, limit, creator, limit),
    )
    return [_gift(row[0], row[1:]) for row in rows]


def maturing(creator: HolderId) -> list[tuple[datetime, int]]:
    """Return when how many pending diamonds become available, soonest first."""
    return [
        (release_at, diamonds)
        for release_at, diamonds in _rows(
            "SELECT release_at, diamonds FROM ledger_maturing WHERE bucket = %s AND holder = %s "
            "ORDER BY release_at",
            (creator_bucket(creator), creator),
        )
    ]


def statement(holder: HolderId, limit: int, before: Cursor | None = None) -> Page:
    """Return a page of everything that ever moved a holder's balances, newest first."""
    cursor = before or Cursor()
    if cursor.journal_seq == _LAST:
        cursor = _newest(holder, cursor)
    left = {(code, asset): value for code, asset, value in cursor.balances}
    gifts = {g.seq: g for g in _gift_chain(holder, cursor.gift_seq, limit + 1)}
    fan = _journals(holder, fan_bucket(holder), cursor.journal_seq, limit + 1)
    fan += [_gift_entry(fan_bucket(holder), gift) for gift in gifts.values()]
    fan.sort(key=lambda entry: entry.seq, reverse=True)
    creator = _journals(holder, creator_bucket(holder), cursor.creator_seq, limit + 1)
    merged = list(islice(_newest_first(fan, creator), limit + 1))
    entries = []
    for entry in merged[:limit]:
        changes = []
        for change in entry.changes:
            where = change.account, change.asset
            changes.append(replace(change, balance_after=left.get(where, 0)))
            left[where] = left.get(where, 0) - change.change
        entries.append(replace(entry, changes=tuple(changes)))
        if entry.bucket >= creator_bucket(PLATFORM):
            cursor = replace(cursor, creator_seq=entry.seq)
        elif entry.seq in gifts:
            cursor = replace(cursor, gift_seq=gifts[entry.seq].prev_seq)
        else:
            cursor = replace(cursor, journal_seq=entry.seq)
    rest = tuple((code, asset, value) for (code, asset), value in left.items())
    return Page(tuple(entries), replace(cursor, balances=rest) if len(merged) > limit else None)


def full_statement(holder: HolderId, page: int = 1000) -> Iterator[Entry]:
    """Yield a holder's whole statement, newest first, page by page."""
    cursor: Cursor | None = None
    while True:
        found = statement(holder, page, cursor)
        yield from found.entries
        cursor = found.next
        if cursor is None:
            return


def _standing_params(holder: HolderId) -> dict[str, int]:
    return {"fan": fan_bucket(holder), "creator": creator_bucket(holder), "holder": holder}


def _newest(holder: HolderId, wanted: Cursor) -> Cursor:
    """Return the cursor of this moment; the creator's journals stay left out where they were."""
    rows = _rows(_STANDING, _standing_params(holder))
    places = {code: value for code, asset, value in rows if asset == _PLACE}
    return Cursor(
        places["journal_seq"],
        places.get("gift_seq", 0),
        min(wanted.creator_seq, places["creator_seq"]),
        tuple((code, asset, value) for code, asset, value in rows if asset != _PLACE),
    )


def _newest_first(fan: list[Entry], creator: list[Entry]) -> Iterator[Entry]:
    """Merge two lanes by time; within a lane the ledger's sequence decides."""
    while fan or creator:
        take_fan = bool(fan) and (not creator or fan[0].at >= creator[0].at)
        yield (fan if take_fan else creator).pop(0)


def _journals(holder: HolderId, bucket: int, before_seq: int, limit: int) -> list[Entry]:
    """Return a holder's journals in one bucket, newest first; gifts are no journals there."""
    return [
        Entry(bucket, seq, at, event, reference, _changes(holder, transfers), detail)
        for seq, at, event, reference, detail, transfers in _rows(
            _JOURNALS, (bucket, holder, before_seq, limit)
        )
    ]


def _changes(holder: HolderId, transfers: list[list[Any]]) -> tuple[Change, ...]:
    changes: dict[tuple[str, str], int] = {}
    for debit, debit_holder, credit, credit_holder, asset, amount in transfers:
        for code, owner, change in (
            (debit, debit_holder, -amount),
            (credit, credit_holder, amount),
        ):
            if owner == holder:
                changes[code, asset] = changes.get((code, asset), 0) + change
    return tuple(Change(code, asset, change) for (code, asset), change in changes.items())


def _gift_entry(bucket: int, gift: GiftRow) -> Entry:
    transfers = gift_transfers(gift.fan, gift.coins - gift.bonus, gift.bonus)
    changes = tuple(Change(t.debit.account.code, "COIN", -t.amount.minor) for t in transfers)
    detail = {
        "creator": gift.creator,
        "room": gift.room,
        "gift": gift.gift,
        "count": gift.count,
    }
    return Entry(bucket, gift.seq, gift.at, "gift", f"gft_{gift.id}", changes, detail)
