"""The engine of a replay: events in, postings out, in batches.

Owns the order of work: which coins a fan needs before a gift, what waits in a batch, and what must
see everything before it posted. A batch is posted by one worker thread while the next is gathered;
the worker is the only one that touches the database. Must not read files or know SQL. Invariant:
every journal's id is made of the event's id and time, and what is posted depends on the file alone,
so a second run (or one after a crash) posts only what is missing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from largesse.earnings.rules import SharePolicy
from largesse.gifting.streaks import StreakBook, Tap
from largesse.ledger import rules
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.ledger.journals import Journal
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import DomainError
from largesse.money.ids import HolderId, RoomId, id_from_name, uuid7
from largesse.simulator.replay import services
from largesse.simulator.replay.events import Event, Gift, Payout, Recharge, Refund
from largesse.simulator.replay.services import Person

T = TypeVar("T")

BATCH = 1_000
"""Gifts or recharges a transaction."""

_USD = asset("USD")


@dataclass(slots=True)
class Counts:
    """What a replay did so far. Coins are whole; `gifts` counts gift postings."""

    events: int = 0
    gifts: int = 0
    coins_recharged: int = 0
    coins_gifted: int = 0
    replayed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    streaks: set[int] = field(default_factory=set)
    coins_of: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Fan:
    """A fan's coins as the file alone makes them: the model that decides recharges."""

    balance: int = 0
    debt: int = 0


@dataclass(slots=True)
class _Waiting:
    """What the next transaction will post: people, then coins, then gifts."""

    people: dict[HolderId, Person] = field(default_factory=dict)
    recharges: list[Journal] = field(default_factory=list)
    gifts: list[tuple[GiftPosting, Gift, Tap | None]] = field(default_factory=list)

    def is_full(self) -> bool:
        return max(len(self.gifts), len(self.recharges)) >= BATCH


def _post(batch: services.Prepared, at: datetime) -> services.Batch:
    """Post a batch and credit its creators, on the worker."""
    posted = services.post_batch(batch, at)
    if posted.gifts:
        services.credit_creators(at)
    return posted


class Replay:
    """Drives events through the book. `namespace` keeps the names of different formats apart."""

    def __init__(self, namespace: str, policy: SharePolicy) -> None:
        self.counts = Counts()
        self.creators: dict[str, HolderId] = {}
        self.fans: dict[HolderId, _Fan] = {}
        self._namespace = namespace
        self._policy = policy
        self._seen: dict[int, int] = {}
        self._streaks = StreakBook()
        self._waiting = _Waiting()
        self._posting: tuple[_Waiting, Future[services.Batch]] | None = None
        self._worker = ThreadPoolExecutor(1, "replay")
        self._last_at: datetime | None = None

    def feed(self, event: Event) -> None:
        """Take one event in; posts when a batch is full or the event must see what came before.

        Raises TransientError when the database gives way: run the same file again.
        """
        self.counts.events += 1
        if not self._is_new(event):
            return
        self._last_at = max(self._last_at or event.at, event.at)
        match event:
            case Gift():
                self._gift(event)
            case Recharge():
                self._recharge(self._fan(event.fan), event.id, event.at, event.coins, event.money)
            case Refund():
                self._refund(event)
            case Payout():
                self._payout(event)
        if self._waiting.is_full():
            self._send()

    def finish(self) -> None:
        """Post what waits, credit every creator and let what is due mature."""
        self._flush()
        if self._last_at is not None:
            self._run(services.credit_creators, self._last_at)
            self._run(services.mature, self._last_at)

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.submit(services.close_connection)
        self._worker.shutdown()

    # -- Events --------------------------------------------------------------------------------

    def _gift(self, event: Gift) -> None:
        fan, creator = self._fan(event.fan), self._creator(event.creator)
        if fan == creator:
            self.counts.rejected["self_gift"] += 1
            return
        tap = self._tap(event, fan)
        count = event.count if tap is None else tap.charge
        if count == 0:
            return
        coins = event.coins * count
        state = self.fans[fan]
        short = coins + state.debt - state.balance
        if short > 0:
            self._recharge(fan, event.id + "/coins", event.at, short, Amount(short, _USD))
        state.balance -= coins
        posting = GiftPosting(
            id=self._key(event.id, event.at),
            fan=fan,
            creator=creator,
            room=RoomId(id_from_name(self._namespace, f"room/{event.room}")),
            gift=event.gift,
            count=count,
            coins=coins,
            policy=self._policy.number,
            streak_seq=tap.streak_seq if tap else 0,
            at=event.at,
        )
        self._waiting.gifts.append((posting, event, tap))
        if tap is not None:
            self._flush()  # the next frame of this streak needs the sequence of its first gift

    def _tap(self, event: Gift, fan: HolderId) -> Tap | None:
        """Reserve what a cumulative frame adds; None for a gift that is no frame."""
        if event.frame is None:
            return None
        self._streaks.close_due(event.at)
        tap = self._streaks.frame(
            fan,
            RoomId(id_from_name(self._namespace, f"room/{event.room}")),
            event.gift,
            event.at,
            source=event.frame.source,
            total=event.frame.total,
            end=event.frame.end,
        )
        self.counts.streaks.add(tap.streak.number)
        return tap

    def _recharge(self, fan: HolderId, name: str, at: datetime, coins: int, money: Amount) -> None:
        payment = rules.Payment(money, Amount(0, money.asset), "import", name)
        key = self._key(name, at)
        self._waiting.recharges.append(rules.recharge_captured(key, at, fan, coins, payment))
        self.counts.coins_recharged += coins
        state = self.fans[fan]
        state.balance += coins
        if state.debt:
            self._run(services.repay_debt, self._key(name + "/debt", at), at, fan)
            repaid = min(state.debt, state.balance)
            state.debt -= repaid
            state.balance -= repaid

    def _refund(self, event: Refund) -> None:
        fan = self._fan(event.fan)
        state = self.fans[fan]
        key = self._key(event.id, event.at)
        try:
            self.counts.replayed += self._run(
                services.refund, key, event.at, fan, event.coins, event.money, event.id
            )
        except DomainError as error:
            self.counts.rejected[error.code] += 1
            return
        taken = min(event.coins, state.balance)
        state.balance -= taken
        state.debt += event.coins - taken

    def _payout(self, event: Payout) -> None:
        creator = self._creator(event.creator)
        key = self._key(event.id, event.at)
        self._run(services.credit_creators, event.at)
        self._run(services.mature, event.at)
        try:
            self.counts.replayed += self._run(
                services.pay_out,
                key,
                event.at,
                creator,
                self._policy,
                event.diamonds,
                event.money,
                event.id,
            )
        except DomainError as error:
            self.counts.rejected[error.code] += 1

    # -- Batches -------------------------------------------------------------------------------

    def _send(self) -> None:
        """Hand everything that waits to the worker, once it is done with the batch before."""
        waiting, self._waiting = self._waiting, _Waiting()
        if self._last_at is None or not (waiting.people or waiting.recharges or waiting.gifts):
            self._collect()
            return
        postings = [posting for posting, _, _ in waiting.gifts]
        batch = services.prepare_batch(waiting.people.values(), waiting.recharges, postings)
        self._collect()
        self._posting = waiting, self._worker.submit(_post, batch, self._last_at)

    def _flush(self) -> None:
        """Return when everything that waited is posted."""
        self._send()
        self._collect()

    def _collect(self) -> None:
        """Wait for the batch that is being posted, and count what became of it."""
        if self._posting is None:
            return
        (waiting, future), self._posting = self._posting, None
        posted = future.result()
        self.counts.replayed += posted.recharges_replayed
        for code in posted.recharges_refused:
            self.counts.rejected[code] += 1
        for (posting, event, tap), result in zip(waiting.gifts, posted.gifts, strict=True):
            self._count_gift(posting, event, tap, result)

    def _run(self, command: Callable[..., T], *arguments: object) -> T:
        """Run a command on the worker's connection, after everything before it was posted."""
        self._flush()
        return self._worker.submit(command, *arguments).result()

    def _count_gift(
        self, posting: GiftPosting, event: Gift, tap: Tap | None, result: GiftResult
    ) -> None:
        if result.outcome not in ("posted", "replayed"):
            self.counts.rejected[result.outcome] += 1
            if tap is not None:
                self._streaks.refuse(tap)
            return
        if tap is not None:
            self._streaks.confirm(tap, result.seq)
        self.counts.gifts += 1
        self.counts.replayed += result.outcome == "replayed"
        self.counts.coins_gifted += posting.coins
        self.counts.coins_of[event.creator] += posting.coins

    # -- Names and keys ------------------------------------------------------------------------

    def _fan(self, name: str) -> HolderId:
        holder = self._person(name, is_creator=False)
        self.fans.setdefault(holder, _Fan())
        return holder

    def _creator(self, name: str) -> HolderId:
        holder = self.creators.get(name)
        if holder is None:
            holder = self.creators[name] = self._person(name, is_creator=True)
        return holder

    def _person(self, name: str, *, is_creator: bool) -> HolderId:
        holder = HolderId(id_from_name(self._namespace, name))
        if is_creator or holder not in self.fans:
            shown = f"{self._namespace}-{name}"
            self._waiting.people[holder] = Person(holder, shown, is_creator)
        return holder

    def _key(self, name: str, at: datetime) -> UUID:
        digest = hashlib.sha256(f"{self._namespace}\x00{name}".encode()).digest()
        return uuid7(int(at.timestamp() * 1000), digest)

    def _is_new(self, event: Event) -> bool:
        """False for an id that the file used before: a repeat, or a conflict that is rejected."""
        digest = hashlib.sha256(event.id.encode()).digest()
        identity, body = int.from_bytes(digest[:8], "big"), hash(event)
        known = self._seen.get(identity)
        if known is None:
            self._seen[identity] = body
            return True
        if known == body:
            self.counts.replayed += 1
        else:
            self.counts.rejected["idempotency_key_reused"] += 1
        return False
