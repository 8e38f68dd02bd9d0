"""The machine that drives the model and PostgreSQL together, without its rules.

Owns the world of a run, how a step is counted and logged, and the comparison after each step. Must
not know any rule. Invariant: after every step the product's own checks find nothing, and every
balance, wallet, serial range and sequence is what the model says.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

import psycopg
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from largesse.adapters.postgres import checks, maturing
from largesse.adapters.postgres.book import DjangoBook
from largesse.earnings.services import mature_earnings
from largesse.ledger import rules
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.ledger.holds import Hold
from largesse.ledger.journals import Journal
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId
from tests.adapters.postgres.coin_model import VOID
from tests.adapters.postgres.ledger_model import (
    FanModel,
    GiftModel,
    PendingModel,
    Street,
    Terms,
    fans_bucket,
)
from tests.adapters.postgres.ledger_world import (
    START,
    AsyncDriver,
    DjangoDriver,
    Driver,
    bonus,
    database_url,
    empty_ledger,
    gift,
    key,
    roll_up_now,
    usd,
)

FANS = (5, 6, 5 + 64)
"""Two of them share a bucket; the first is a creator as well."""
CREATORS = (1001, 1002, 5)
PEOPLE = sorted({*FANS, *CREATORS})
TERMS = {1: Terms(5000, 14, 12_825), 2: Terms(3333, 1, 12_825)}
"""What `ledger_world.POLICIES` says, worked out by hand: 15,000 less 10 % less 5 %."""

fans = st.sampled_from(FANS)
creators = st.sampled_from(CREATORS)
coins = st.integers(1, 25)
currencies = st.sampled_from(("USD", "JPY"))
picks = st.integers(0, 999)

_VACUUM_EVERY = 20


class Tally:
    """What a run did: steps, calls of each rule, and a hash of everything that happened."""

    def __init__(self) -> None:
        self.histories = 0
        self.calls: Counter[str] = Counter()
        self.sent = self.blocked = 0
        self._log = hashlib.sha256()

    @property
    def steps(self) -> int:
        return self.calls.total()

    @property
    def log(self) -> str:
        return self._log.hexdigest()[:16]

    def __str__(self) -> str:
        name, fewest = self.calls.most_common()[-1] if self.calls else ("none", 0)
        return (
            f"{self.steps} steps in {self.histories} histories, {len(self.calls)} rules "
            f"(fewest {100 * fewest / max(1, self.steps):.1f} %: {name}), "
            f"{self.blocked} of {self.sent} new gifts blocked, log {self.log}"
        )

    def begin(self, name: str, given: dict[str, Any]) -> None:
        self.calls[name] += 1
        self.note(name, sorted(given.items()))

    def note(self, *facts: object) -> None:
        self._log.update(repr(facts).encode() + b"\n")


def money(minor: int, code: str) -> Amount:
    return Amount(minor, asset(code))


def step(**given: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A rule of the machine whose calls are counted and written to the event log."""

    def wrap(act: Callable[..., None]) -> Callable[..., None]:
        @wraps(act)
        def counted(machine: Machine, **values: Any) -> None:
            if not machine.has_begun:
                machine.start()
            machine.tally.begin(act.__name__, values)
            machine.is_resting = False
            act(machine, **values)

        made: Callable[..., None] = rule(**given)(counted)
        return made

    return wrap


@dataclass
class Given:
    """A gift that was posted: its name, what was sent and answered, and what the model says."""

    name: str
    posting: GiftPosting
    seq: int
    model: GiftModel


@dataclass
class Payout:
    """A payout under way, or settled."""

    creator: int
    diamonds: int
    is_settled: bool = False

    @property
    def cash(self) -> tuple[int, int]:
        """What is paid for it, and the fee in that, in cents."""
        return self.diamonds * 3, self.diamonds


@dataclass
class Waiting:
    """A journal that was held: the hold, what it is for, and what the model says."""

    hold: Hold
    kind: str
    model: PendingModel


@dataclass(frozen=True)
class Seen:
    """What the books say at one moment."""

    breaks: list[Any]
    balances: dict[tuple[int, int, str, str], int]
    wallets: dict[int, list[Any]]
    last_seqs: dict[int, int]
    gifts: list[list[Any]]
    holds: dict[str, str]
    reserved: dict[int, int]


class Observer:
    """Reads everything that is compared, with the product's checks, in one statement.

    Its plan is made once and kept. Hash joins, since a plan that was made on empty tables would
    else loop.
    """

    def __init__(self) -> None:
        options = "-c jit=off -c enable_nestloop=off -c plan_cache_mode=force_generic_plan"
        self._connection = psycopg.connect(database_url(), autocommit=True, options=options)
        self._looks = 0

    def close(self) -> None:
        self._connection.close()

    def look(self, marks: Mapping[int, int]) -> Seen:
        """Read all balances, and the gifts after the given sequences of buckets 0 to 63."""
        cursor = self._connection.execute(
            _EVERYTHING, ([marks.get(bucket, 0) for bucket in range(64)],), prepare=True
        )
        [(breaks, balances, wallets, last_seqs, gifts, holds, reserved)] = cursor.fetchall()
        return Seen(
            breaks or [],
            {(b, holder, code, asset): held for b, holder, code, asset, held in balances or []},
            {row[0]: row[1:] for row in wallets or []},
            dict(last_seqs or []),
            gifts or [],
            dict(holds or []),
            dict(reserved or []),
        )

    def sweep(self) -> None:
        """Now and then clear what emptied tables leave behind: it would slow down every look."""
        self._looks += 1
        if self._looks % _VACUUM_EVERY == 0:
            for (table,) in self._connection.execute(
                "SELECT tablename FROM pg_tables WHERE tablename LIKE 'ledger_%'"
            ).fetchall():
                self._connection.execute(f"VACUUM {table}")


def _all_checks() -> str:
    """The product's checks, each with its own text, as one query."""
    parts = []
    for one in checks.CHECKS:
        sql = one.sql.replace(":stored", "TABLE stored").replace(":entries", "TABLE entries")
        parts.append(f"SELECT '{one.invariant}', c.* FROM ({sql}) c (account, message)")
    return " UNION ALL ".join(parts)


_EVERYTHING = f"""
    WITH stored AS MATERIALIZED ({checks.STORED}), entries AS MATERIALIZED ({checks.ENTRIES})
    SELECT
        (SELECT json_agg(b) FROM ({_all_checks()}) b),
        (SELECT json_agg(json_build_array(bucket, holder, code, asset, balance))
         FROM stored WHERE balance <> 0),
        (SELECT json_agg(json_build_array(holder, paid_issued, paid_next, paid_void, paid_held,
             bonus_issued, bonus_next, bonus_void, bonus_held, debt, frozen, paid_first,
             (SELECT json_agg(json_build_array(v.class, v.start, v.stop)) FROM ledger_void v
              WHERE v.bucket = w.bucket AND v.holder = w.holder)))
         FROM ledger_wallet w),
        (SELECT json_agg(json_build_array(bucket, last_seq)) FROM ledger_bucket
         WHERE last_seq > 0),
        (SELECT json_agg(json_build_array(bucket, seq, id, fan, creator, coins, bonus, policy,
             streak_seq, paid_from, paid_to, bonus_from, bonus_to))
         FROM ledger_gift g WHERE g.seq > (%s::bigint[])[g.bucket + 1]),
        (SELECT json_agg(json_build_array(id, state)) FROM ledger_pending),
        (SELECT json_agg(json_build_array(holder, held)) FROM ledger_account WHERE held <> 0)
"""


class Machine(RuleBasedStateMachine):
    """The world of one history. Rules act on the books and on the model."""

    def __init__(
        self, django: DjangoDriver, live: AsyncDriver, observer: Observer, tally: Tally
    ) -> None:
        super().__init__()
        self.drivers: tuple[Driver, Driver] = (django, live)
        self.observer = observer
        self.tally = tally
        self.street = Street(FANS, CREATORS, TERMS)
        self.now: datetime = START
        self.names = 0
        self.journals: list[tuple[Journal, int]] = []
        self.given: dict[UUID, Given] = {}
        self.unseen: dict[tuple[int, int], Given] = {}
        self.payouts: list[Payout] = []
        self.waiting: list[Waiting] = []
        self.marks: dict[int, int] = {}
        self.settled_upto: Counter[int] = Counter()
        self.sealed = 0
        self.has_begun = False
        self.is_resting = True

    def start(self) -> None:
        """Begin, with the first step that is counted, where every rule has something to act on."""
        self.has_begun = True
        empty_ledger()
        self.observer.sweep()
        self.tally.histories += 1
        first = []
        for fan in FANS:
            for count, price, tax, code in ((40, 199, 28, "USD"), (20, 77, 0, "JPY")):
                first.append(self.bought(fan, count, price, tax, code))
            first.append(self.granted(fan, 12))
        self.post(*first)
        self.send([self.present(fan, to, 7) for fan in FANS for to in CREATORS])
        self.rolled_up()
        self.now = max(due for c in self.street.creators.values() for due in c.maturing)
        self.matured()
        self.post(*[self.requested(creator, count) for creator in CREATORS for count in (3, 2)])
        self.post(*[self.settled(payout) for payout in self.payouts[::2]])

    @rule()
    def rest(self) -> None:
        """Do nothing, uncounted: Hypothesis begins with the simplest history, over and over."""
        self.is_resting = True

    # -- Small things ------------------------------------------------------------------------------

    def name(self) -> str:
        self.names += 1
        return f"step {self.names}"

    def driver(self) -> Driver:
        return self.drivers[self.names % 2]

    def post(self, *journals: Journal) -> None:
        """Post new journals in one call."""
        for journal, posted in zip(journals, self.driver().post(journals), strict=True):
            assert not posted.replayed
            self.remember(journal, posted.seq)

    def remember(self, journal: Journal, seq: int) -> None:
        if journal.linked_to is None:
            self.journals.append((journal, seq))
        self.tally.note(journal.event.value, journal.bucket, seq)

    # -- What both do: each changes the model and returns or posts the journal ---------------------

    def bought(
        self,
        fan: int,
        count: int,
        price: int,
        tax: int,
        code: str,
        expires_at: datetime | None = None,
    ) -> Journal:
        name = self.name()
        self.street.recharge(name, fan, count, price, tax, code, expires_at)
        paid = rules.Payment(money(price, code), money(tax, code), "web", name)
        return rules.recharge_captured(key(name), self.now, HolderId(fan), count, paid, expires_at)

    def granted(self, fan: int, count: int, expires_at: datetime | None = None) -> Journal:
        name = self.name()
        self.street.grant(name, fan, count, expires_at)
        if expires_at is None:
            return bonus(name, fan, count)
        return rules.bonus_granted(key(name), self.now, HolderId(fan), count, name, expires_at)

    def present(
        self, fan: int, creator: int, count: int, policy: int = 1, streak: int = 0
    ) -> tuple[str, GiftPosting]:
        name = self.name()
        posting = gift(name, fan, count, creator=creator)
        return name, replace(posting, policy=policy, streak_seq=streak)

    def send(self, sent: Sequence[tuple[str, GiftPosting]]) -> list[GiftResult]:
        """Post a batch of gifts, new and known."""
        answers = self.driver().post_gifts([posting for _, posting in sent])
        self.compare(sent, answers)
        return answers

    def compare(
        self, sent: Sequence[tuple[str, GiftPosting]], answers: Sequence[GiftResult]
    ) -> None:
        """Decide gifts in the model, and compare each answer with its own."""
        for (name, posting), answer in zip(sent, answers, strict=True):
            self.tally.note(answer.outcome, answer.seq, answer.bonus, answer.balance)
            known = self.given.get(posting.id)
            if known is not None:
                same = self.body(known.posting) == self.body(posting)
                expected = "replayed" if same else "key_reused", known.seq, known.model.bonus
                assert (answer.outcome, answer.seq, answer.bonus) == expected
            else:
                outcome, model = self.street.give(
                    posting.fan, posting.creator, posting.coins, posting.policy
                )
                assert answer.outcome == outcome
                self.tally.sent += 1
                self.tally.blocked += outcome == "blocked"
                if model is not None:
                    assert answer.bonus == model.bonus
                    given = Given(name, posting, answer.seq, model)
                    self.given[posting.id] = given
                    self.unseen[fans_bucket(posting.fan), answer.seq] = given
            assert answer.balance == self.street.fans[posting.fan].balance

    @staticmethod
    def body(posting: GiftPosting) -> tuple[object, ...]:
        """What makes a gift another gift, under the same key."""
        return posting.fan, posting.creator, posting.coins, posting.gift, posting.count

    def freeze_now(self, fan: int, *, frozen: bool) -> None:
        with transaction.atomic():
            DjangoBook().freeze(HolderId(fan), frozen=frozen)
        self.street.fans[fan].frozen = frozen

    def rolled_up(self) -> None:
        done = roll_up_now(self.now)
        assert done is not None
        assert (done.coins, done.diamonds) == self.street.roll_up(self.now)
        self.tally.note("rolled up", done.coins, done.diamonds)

    def matured(self) -> None:
        done = mature_earnings(
            DjangoBook(), maturing, now=self.now, new_key=lambda: key(self.name())
        )
        assert done.diamonds == self.street.mature(self.now)
        self.tally.note("matured", done.diamonds)

    def requested(self, creator: int, diamonds: int) -> Journal:
        name = self.name()
        self.street.request(creator, diamonds)
        self.payouts.append(Payout(creator, diamonds))
        return rules.payout_requested(key(name), self.now, HolderId(creator), diamonds, name)

    def settled(self, payout: Payout) -> Journal:
        name, (gross, fee) = self.name(), payout.cash
        payout.is_settled = True
        self.street.settle(payout.creator, payout.diamonds, gross, fee)
        facts = HolderId(payout.creator), payout.diamonds, usd(gross), usd(fee)
        return rules.payout_settled(key(name), self.now, *facts, name)

    # -- What must agree ---------------------------------------------------------------------------

    @invariant()
    def books_hold_and_agree(self) -> None:
        """I1 to I5 and I9 by the product's checks, and every figure by the model's count."""
        if self.is_resting:
            return
        seen = self.observer.look(self.marks)
        assert seen.breaks == []
        assert seen.balances == self.street.balances()
        assert seen.last_seqs == self.street.postings
        for fan, model in self.street.fans.items():
            self._wallet_agrees(model, seen.wallets[fan])
        for bucket, seq, *row in seen.gifts:
            given = self.unseen.pop((bucket, seq))
            model_gift, posting = given.model, given.posting
            assert row == [
                str(posting.id),
                posting.fan,
                posting.creator,
                posting.coins,
                model_gift.bonus,
                posting.policy,
                posting.streak_seq,
                *model_gift.paid_range,
                *model_gift.bonus_range,
            ]
        assert not self.unseen
        assert seen.holds == {str(one.hold.journal.id): one.model.state for one in self.waiting}
        assert seen.reserved == {
            creator: books.reserved
            for creator, books in self.street.creators.items()
            if books.reserved
        }
        self.marks.update(seen.last_seqs)

    @staticmethod
    def _wallet_agrees(model: FanModel, row: list[Any]) -> None:
        *counts, debt, frozen, paid_first, voids = row
        assert (debt, frozen, paid_first) == (model.debt, model.frozen, model.paid_first)
        for name, coins_model, counted in (
            ("paid", model.paid, counts[:4]),
            ("bonus", model.bonus, counts[4:]),
        ):
            states, after = coins_model.states, coins_model.next
            ahead = states.count(VOID, after)
            assert counted == [len(states), after, ahead, coins_model.held]
            ranges = [(start, stop) for of, start, stop in voids or [] if of == name]
            assert sum(stop - start for start, stop in ranges) == states.count(VOID)
            assert all(states.count(VOID, start, stop) == stop - start for start, stop in ranges)
