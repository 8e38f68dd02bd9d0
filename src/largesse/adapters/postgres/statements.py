"""The posting store's one implementation: generators of statements, without I/O.

Owns every statement that writes the ledger. Must not know which connection runs it: two thin
executors do (`book` on Django's connection, `async_book` on psycopg's). Invariant: one posting is
one statement and one round trip, and exactly what `ledger.journals` allowed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from largesse.adapters.postgres.columns import Column, Row, arrays
from largesse.ledger.accounts import Account
from largesse.ledger.errors import (
    BadJournal,
    BalanceConstraint,
    Fault,
    Frozen,
    InsufficientBalance,
    KeyReused,
)
from largesse.ledger.gifts import GiftPosting, GiftResult, Outcome
from largesse.ledger.journals import Bound, Event, Journal, NewLot, Transfer, booked
from largesse.ledger.linking import chains
from largesse.ledger.lots import Lot, Purse, SerialRange, SpendOrder
from largesse.ledger.ports import Posted, WalletState
from largesse.money.amounts import BadAmount
from largesse.money.errors import DomainError, InvariantViolation, TransientError
from largesse.money.ids import PLATFORM, HolderId, creator_bucket, fan_bucket

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """One statement with its parameters."""

    sql: str
    params: Sequence[Any] | Mapping[str, Any] = ()


_GAVE_WAY_CLASSES = frozenset({"08", "53", "57"})
"""Classes of SQLSTATE: lost connection, out of a resource, ended by an operator."""
_GAVE_WAY = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available."""

Steps = Generator[Query, list[Row], T]
"""A conversation with the database: yields queries, is sent their rows, returns the result."""


_JOURNAL = "smallint uuid text bigint timestamptz text bytea jsonb"
_TRANSFER = "integer text bigint boolean text bigint boolean text bigint"
_LOT = "integer text bigint bigint bigint text text text timestamptz"
_VOID = "integer text bigint bigint"
_BOUND = "integer text bigint text bigint bigint"
_GIFT = "smallint uuid bigint bigint bigint integer integer bigint integer bigint timestamptz"
_POST_GIFT = f"""
    SELECT outcome, coalesce(seq, 0), coalesce(bonus, 0), balance
    FROM ledger_post_gift({", ".join(f"%s::{kind}" for kind in _GIFT.split())})
"""  # noqa: S608 - constants only
_gift = attrgetter(
    "id", "fan", "creator", "room", "gift", "count", "coins", "policy", "streak_seq", "at"
)


def call(function: str, columns: str, kinds: str) -> str:
    """The statement that hands arrays of the given kinds to one of our functions."""
    columns_in = ", ".join(f"%s::{kind}[]" for kind in kinds.split())
    return f"SELECT {columns} FROM {function}({columns_in})"  # noqa: S608 - constants only


_POST_JOURNALS = call(
    "ledger_post_journals", "seq, replayed", f"{_JOURNAL} {_TRANSFER} {_LOT} {_VOID} {_BOUND}"
)
_POST_GIFTS = call("ledger_post_gifts", "ords, seqs, bonuses, balances, outcomes", _GIFT)


def fingerprint(journal: Journal) -> bytes:
    """Return the hash of what a journal books; its time and detail do not count."""
    return hashlib.sha256(repr(booked(journal)).encode()).digest()


def post_journals(journals: Sequence[Journal]) -> Steps[list[Posted]]:
    """Post journals in order, exactly once by id; see `ledger.ports.Book.post`.

    Raises BadJournal for a gift, which has a row of its own and no journal (see `post_gifts`), and
    for links that break a rule.
    """
    if not journals:
        return []
    if any(journal.linked_to is not None for journal in journals):
        yield from _check_links(journals)
    if any(journal.event is Event.GIFT for journal in journals):
        raise BadJournal("A gift is posted as a gift, not as a journal.", Fault.UNBALANCED_SERIALS)
    rows = yield Query(_POST_JOURNALS, _journal_columns(journals))
    return [
        Posted(journal.bucket, seq, replayed)
        for journal, (seq, replayed) in zip(journals, rows, strict=True)
    ]


def _check_links(journals: Sequence[Journal]) -> Steps[None]:
    """Raise the refusal of the first chain that breaks a rule.

    A journal that stands in the books may come again without its chain: it is only answered.
    """
    for chain in chains(journals):
        if chain.refusal is None:
            continue
        members = {(journals[i].bucket, journals[i].id) for i in chain.members}
        known = yield Query(
            "SELECT j.id FROM unnest(%s::smallint[], %s::uuid[]) u (bucket, id) "
            "JOIN ledger_journal j ON j.bucket = u.bucket AND j.id = u.id",
            ([bucket for bucket, _ in members], [key for _, key in members]),
        )
        if len(known) < len(members):
            raise chain.refusal


def _journal_columns(journals: Sequence[Journal]) -> list[Column]:
    numbered = list(enumerate(journals, start=1))
    heads = [_head(j) for j in journals]
    transfers = [(of, *_transfer(t)) for of, j in numbered for t in j.transfers]
    lots = [(of, *_lot(lot)) for of, j in numbered for lot in j.lots]
    voids = [
        (of, v.coin_class.value, v.serials.start, v.serials.stop)
        for of, j in numbered
        for v in j.voids
    ]
    bounds = [(of, *_bound(bound)) for of, j in numbered for bound in j.bounds]
    return [
        *arrays(_JOURNAL, heads),
        *arrays(_TRANSFER, transfers),
        *arrays(_LOT, lots),
        *arrays(_VOID, voids),
        *arrays(_BOUND, bounds),
    ]


def _head(j: Journal) -> Row:
    detail = json.dumps(dict(j.detail))
    return j.bucket, j.id, j.event.value, j.holder, j.at, j.reference, fingerprint(j), detail


def _transfer(t: Transfer) -> Row:
    sides = (
        part
        for side in (t.debit, t.credit)
        for part in (side.account.code, side.holder, side.account.below_zero)
    )
    return *sides, t.amount.asset.code, t.amount.minor


def _bound(b: Bound) -> Row:
    return b.account.account.code, b.account.holder, b.asset.code, b.at_least, b.at_most


def _lot(lot: NewLot) -> Row:
    return (
        lot.coin_class.value,
        lot.coins,
        lot.price_minor,
        lot.tax_minor,
        lot.currency,
        lot.channel,
        lot.reference,
        lot.expires_at,
    )


def post_gifts(gifts: Sequence[GiftPosting]) -> Steps[list[GiftResult]]:
    """Post a batch of gifts with sequential semantics; refusals are outcomes, not exceptions."""
    if not gifts:
        return []
    if len(gifts) == 1:
        rows = yield Query(_POST_GIFT, (fan_bucket(gifts[0].fan), *_gift(gifts[0])))
        return [GiftResult(*rows[0])]
    rows = yield Query(
        _POST_GIFTS, arrays(_GIFT, [(fan_bucket(gift.fan), *_gift(gift)) for gift in gifts])
    )
    ords, seqs, bonuses, balances, one_by_one = rows[0]
    outcomes: list[Outcome] = ["posted"] * (len(ords) - len(one_by_one)) + one_by_one
    results = dict(zip(ords, map(GiftResult, outcomes, seqs, bonuses, balances), strict=True))
    return [results[place] for place in range(1, len(gifts) + 1)]


def primed(steps: Steps[T]) -> Steps[T]:
    """Run a conversation up to its first statement now; who runs the rest only waits for rows.

    For batches whose columns one thread builds while another waits for the batch before.
    """
    try:
        first = next(steps)
    except StopIteration as done:
        return _ended(done.value)
    return _going_on(first, steps)


def _ended(result: T) -> Steps[T]:
    yield from ()
    return result


def _going_on(query: Query, steps: Steps[T]) -> Steps[T]:
    try:
        while True:
            query = steps.send((yield query))
    except StopIteration as done:
        result: T = done.value
        return result


def read_wallet(holder: HolderId, *, lock: bool) -> Steps[WalletState]:
    """Read a fan's coins; `lock` takes the lane of the bucket until the transaction ends."""
    bucket = fan_bucket(holder)
    if lock:
        yield from lock_bucket(bucket)
    rows = yield Query(
        "SELECT paid_issued, paid_next, paid_held, bonus_issued, bonus_next, bonus_held, "
        "debt, frozen, paid_first FROM ledger_wallet WHERE bucket = %s AND holder = %s",
        (bucket, holder),
    )
    if not rows:
        return WalletState(holder, Purse(), Purse(), 0, False)
    paid, bonus, (debt, frozen, paid_first) = rows[0][:3], rows[0][3:6], rows[0][6:]
    voids: dict[str, list[SerialRange]] = {"paid": [], "bonus": []}
    ranges = yield Query(
        "SELECT class, start, stop FROM ledger_void WHERE bucket = %s AND holder = %s "
        "ORDER BY start",
        (bucket, holder),
    )
    for coin_class, start, stop in ranges:
        voids[coin_class].append(SerialRange(start, stop))
    return WalletState(
        holder,
        Purse(paid[0], paid[1], tuple(voids["paid"]), paid[2]),
        Purse(bonus[0], bonus[1], tuple(voids["bonus"]), bonus[2]),
        debt,
        frozen,
        SpendOrder.PAID_FIRST if paid_first else SpendOrder.BONUS_FIRST,
    )


def lock_bucket(bucket: int) -> Steps[None]:
    """Take the lane of a bucket: nobody else writes there until the transaction ends."""
    yield Query("SELECT 1 FROM ledger_bucket WHERE bucket = %s FOR UPDATE", (bucket,))


def read_lots(holder: HolderId) -> Steps[list[Lot]]:
    """Read a fan's paid lots in serial order."""
    rows = yield Query(
        "SELECT start, stop, price_minor, tax_minor, currency, reference FROM ledger_lot "
        "WHERE bucket = %s AND holder = %s AND class = 'paid' ORDER BY start",
        (fan_bucket(holder), holder),
    )
    return [Lot(SerialRange(row[0], row[1]), *row[2:]) for row in rows]


def read_balance(holder: HolderId, account: Account, *, lock: bool) -> Steps[int]:
    """Read a creator's balance, or with PLATFORM an account summed over all buckets.

    Raises InvariantViolation for a platform account that holds several currencies: they do not add
    up to anything (`reading.platform_balances` tells them apart).
    """
    if holder == PLATFORM:
        rows = yield Query(
            "SELECT sum(gift_clearing)::bigint FROM ledger_bucket"
            if account is Account.GIFT_CLEARING
            else "SELECT sum(balance)::bigint FROM ledger_account WHERE holder = 0 "
            "AND code = %(code)s GROUP BY asset",
            {"code": account.code},
        )
        if len(rows) > 1:
            raise InvariantViolation(f"{account.code} holds several currencies; name one.")
        return int(rows[0][0]) if rows else 0
    bucket = creator_bucket(holder)
    if lock:
        yield from lock_bucket(bucket)
    rows = yield Query(
        "SELECT balance FROM ledger_account WHERE bucket = %s AND holder = %s AND code = %s",
        (bucket, holder, account.code),
    )
    return int(rows[0][0]) if rows else 0


def read_detail(bucket: int, key: UUID) -> Steps[dict[str, Any] | None]:
    """Read the detail of a journal by its id; None when it was never posted."""
    rows = yield Query(
        "SELECT detail::json FROM ledger_journal WHERE bucket = %s AND id = %s", (bucket, key)
    )
    return None if not rows else dict(rows[0][0])


def freeze(holder: HolderId, *, frozen: bool) -> Steps[None]:
    """Block or unblock a holder on both sides: a fan's gifts and a creator's payouts, from now on.

    What corrects the books (refunds, expiry, returned payouts) still goes through.
    """
    fan, creator = fan_bucket(holder), creator_bucket(holder)
    yield from lock_bucket(fan)
    yield from lock_bucket(creator)
    yield Query(
        "INSERT INTO ledger_wallet (bucket, holder, frozen) VALUES (%s, %s, %s) "
        "ON CONFLICT (bucket, holder) DO UPDATE SET frozen = excluded.frozen",
        (fan, holder, frozen),
    )
    yield Query(
        "INSERT INTO ledger_freeze (bucket, holder) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        if frozen
        else "DELETE FROM ledger_freeze WHERE bucket = %s AND holder = %s",
        (creator, holder),
    )


def refusal(sqlstate: str | None, constraint: str | None, message: str) -> DomainError | None:
    """Translate a database error into a refusal; None means that it is a bug of ours.

    Matched by SQLSTATE: names of constraints carry shard suffixes on a distributed database. None
    as `sqlstate` means that the connection was lost.
    """
    said = message.strip().split("\n", 1)[0]
    match sqlstate:
        case "23514":
            return InsufficientBalance(
                "An account would fall below zero; nothing was posted.", constraint=constraint or ""
            )
        case "LG001":
            return KeyReused(
                f"The key {said} stands for something else. Send a new key for a new wish.",
                key=said,
            )
        case "LG002":
            return Frozen(f"{said} is frozen; nothing was posted.", account=said)
        case "LG003":
            return _broken_bound(json.loads(said))
        case "22003":
            return BadAmount("An account would exceed what a ledger can hold; nothing was posted.")
    if sqlstate is None or sqlstate[:2] in _GAVE_WAY_CLASSES or sqlstate in _GAVE_WAY:
        return TransientError(
            f"The database gave way ({said or 'connection lost'}). "
            "Send the same request again; it takes effect once."
        )
    return None


def _broken_bound(said: dict[str, Any]) -> BalanceConstraint:
    """The refusal of a journal whose balance constraint does not hold, as the database told it."""
    account = f"{said['account']}:{said['holder']}" if said["holder"] else said["account"]
    words = {"at_least": "at least", "at_most": "at most"}[said["bound"]]
    return BalanceConstraint(
        f"{account} would stand at {said['balance']} {said['asset']}, and the journal asks for "
        f"{words} {said['limit']}; nothing was posted.",
        journal=said["journal"],
        account=account,
        asset=said["asset"],
        bound=said["bound"],
        limit=said["limit"],
        balance=said["balance"],
    )
