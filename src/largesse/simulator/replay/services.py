"""The commands of a replay, each one transaction on Django's connection.

Owns the transactions. Must not know the file or what waits. Invariant: each posts exactly once by
its key, and what depends on the state of the books is decided inside the transaction that posts it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from django.db import connection, transaction

from largesse.adapters.postgres import maturing
from largesse.adapters.postgres.book import DjangoBook, run
from largesse.adapters.postgres.rollup import roll_up
from largesse.adapters.postgres.statements import (
    Steps,
    post_gifts,
    post_journals,
    primed,
    read_detail,
)
from largesse.earnings import selectors
from largesse.earnings.rules import SharePolicy, money_for, release_at
from largesse.earnings.services import mature_earnings, publish_policy
from largesse.ledger import rules
from largesse.ledger.accounts import Account
from largesse.ledger.errors import InsufficientBalance, KeyReused
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.ledger.journals import Journal
from largesse.ledger.lots import Lot, Purse, newest_lots, real_cost
from largesse.ledger.ports import Posted
from largesse.money.amounts import Amount, split
from largesse.money.assets import asset
from largesse.money.errors import DomainError
from largesse.money.ids import HolderId, creator_bucket, fan_bucket, keyed_id, uuid7
from largesse.people.rules import suggest_display_name, suggest_handle
from largesse.people.services import HolderRow, import_holders

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When the policy of a replay comes into force for live gifts."""

_BOOK = DjangoBook()


class RefundTooLarge(DomainError):
    """More coins than the fan ever bought."""

    code = "refund_too_large"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone that the file names, as the product will know them."""

    id: HolderId
    name: str
    is_creator: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of a batch: results in the order of its gifts."""

    gifts: list[GiftResult]
    recharges_replayed: int
    recharges_refused: list[str]


@transaction.atomic
def replay_policy(share_bp: int, hold_days: int, now: datetime) -> SharePolicy:
    """Return the share policy of replays with this share and hold, publishing it at first.

    It never comes into force for live gifts: only gifts that name it earn under it.
    """
    return publish_policy(
        version=f"replay-{share_bp}-{hold_days}",
        share_bp=share_bp,
        hold_days=hold_days,
        effective_at=NEVER,
        now=now,
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready to be sent: people, then coins, then gifts."""

    people: list[HolderRow]
    recharges: Sequence[Journal]
    recharging: Steps[list[Posted]]
    giving: Steps[list[GiftResult]]


def prepare_batch(
    people: Iterable[Person], recharges: Sequence[Journal], gifts: Sequence[GiftPosting]
) -> Prepared:
    """Build what a batch sends, without the database: the caller's thread does it meanwhile."""
    rows = [_holder_row(person) for person in people]
    return Prepared(rows, recharges, primed(post_journals(recharges)), primed(post_gifts(gifts)))


@transaction.atomic
def post_batch(batch: Prepared, at: datetime) -> Batch:
    """Post a batch, each part exactly once. Raises TransientError."""
    import_holders(batch.people, at)
    replayed, refused = _post_recharges(batch)
    return Batch(run(batch.giving), replayed, refused)


def _holder_row(person: Person) -> HolderRow:
    handle = suggest_handle(person.name, person.id, whole_id=True)
    return HolderRow(person.id, handle, suggest_display_name(person.name), person.is_creator)


def _post_recharges(batch: Prepared) -> tuple[int, list[str]]:
    """Post recharges together; when one key stands for something else, one by one."""
    try:
        with transaction.atomic():
            return sum(posted.replayed for posted in run(batch.recharging)), []
    except KeyReused:
        pass
    replayed, refused = 0, []
    for journal in batch.recharges:
        try:
            with transaction.atomic():
                replayed += _BOOK.post([journal])[0].replayed
        except KeyReused as error:
            refused.append(error.code)
    return replayed, refused


@transaction.atomic
def credit_creators(at: datetime) -> None:
    """Roll all committed gifts up to their creators, dated `at`, unless a running product does."""
    policies = {policy.number: policy for policy in selectors.policies()}
    run(roll_up(at, policies))


def mature(at: datetime) -> None:
    """Make diamonds available whose hold ended by the full hour after `at`."""
    moment = release_at(at, 0)
    keys = (uuid7(int(moment.timestamp() * 1000), secrets.token_bytes(10)) for _ in count())
    mature_earnings(_BOOK, maturing, now=moment, new_key=lambda: next(keys))


@transaction.atomic
def repay_debt(key: UUID, at: datetime, fan: HolderId) -> None:
    """Set a fan's unspent coins against the debt, once."""
    wallet = _BOOK.wallet(fan, lock=True)
    if wallet.debt and run(read_detail(fan_bucket(fan), key)) is None:
        journal = rules.debt_repaid(key, at, fan, wallet.paid, _BOOK.lots(fan), wallet.debt)
        if journal is not None:
            _BOOK.post([journal])


@transaction.atomic
def refund(
    key: UUID, at: datetime, fan: HolderId, coins: int, money: Amount | None, reference: str
) -> bool:
    """Take coins back, of the newest lots; what is missing becomes debt. True when done before.

    A recording does not say which recharge was refunded: each lot that gives coins back gets a
    journal of its own, and recorded money is split among them by what they give.
    Raises KeyReused, and RefundTooLarge when the fan never bought as many coins.
    """
    wallet = _BOOK.wallet(fan, lock=True)
    body = _body(fan, coins, money, reference)
    if _was_posted(fan_bucket(fan), key, body):
        return True
    if coins > wallet.paid.issued:
        raise RefundTooLarge(
            f"{coins} coins cannot be refunded: only {wallet.paid.issued} were ever bought."
        )
    parts = newest_lots(_BOOK.lots(fan), wallet.paid, coins)
    returned = _shares(money, parts) or [_cost(wallet.paid, *part) for part in parts]
    journals = [
        rules.refund(keyed_id(number, key) if number else key, at, fan, wallet.paid, *part, share)
        for number, (part, share) in enumerate(zip(parts, returned, strict=True))
    ]
    _BOOK.post([replace(journals[0], detail={"body": body}), *journals[1:]])
    return False


@transaction.atomic
def pay_out(
    key: UUID,
    at: datetime,
    creator: HolderId,
    policy: SharePolicy,
    diamonds: int | None,
    money: Amount | None,
    reference: str,
) -> bool:
    """Cash out available diamonds, as recorded. True when it was done before.

    Raises KeyReused, and InsufficientBalance with what is available.
    """
    available = _BOOK.balance(creator, Account.CREATOR_AVAILABLE, lock=True)
    body = _body(creator, diamonds or 0, money, reference)
    if _was_posted(creator_bucket(creator), key, body):
        return True
    wanted = available if diamonds is None else diamonds
    paid, used = money_for(wanted, policy)
    if wanted > available or used == 0:
        raise InsufficientBalance(
            f"{wanted} diamonds cannot be cashed out: {available} are available.",
            available=available,
        )
    gross = money or paid
    cashed = used if diamonds is None else diamonds
    requested = rules.payout_requested(key, at, creator, cashed, reference)
    settled_key = keyed_id(creator, key)
    fee = Amount(0, gross.asset)
    settled = rules.payout_settled(settled_key, at, creator, cashed, gross, fee, reference)
    _BOOK.post([replace(requested, detail={"body": body}), settled])
    return False


def close_connection() -> None:
    """Close the calling thread's connection; its next command opens another."""
    connection.close()


def _body(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _was_posted(bucket: int, key: UUID, body: str) -> bool:
    """True when the journal stands there with this body; raises KeyReused for another body."""
    detail = run(read_detail(bucket, key))
    if detail is None:
        return False
    if detail.get("body") != body:
        raise KeyReused(f"The key {key} stands for another event. Give it an id of its own.")
    return True


def _shares(money: Amount | None, parts: Sequence[tuple[Lot, int]]) -> list[Amount]:
    """Split recorded money by the coins that lots give back; nothing when none was recorded."""
    if money is None:
        return []
    shares = split(money.minor, [coins for _, coins in parts])
    return [Amount(share, money.asset) for share in shares]


def _cost(purse: Purse, lot: Lot, coins: int) -> Amount:
    """What was paid for the unspent ones of some coins of a lot."""
    taken = purse.revocable(lot.serials, coins)
    minor = sum(real_cost(serials, [lot]).get(lot.currency, 0) for serials in taken)
    return Amount(minor, asset(lot.currency))
