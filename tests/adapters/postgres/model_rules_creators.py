"""Rules of the model-based tests: the creators' side.

Owns roll-ups, maturity, payouts and the creators' close. Must not compare: the machine does.
Invariant: time only goes forward.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition

from largesse.adapters.postgres import closing
from largesse.adapters.postgres.book import DjangoBook
from largesse.ledger import rules
from largesse.ledger.accounts import Account
from largesse.ledger.errors import Frozen, InsufficientBalance
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_model import creators_bucket
from tests.adapters.postgres.ledger_world import key, recharge, usd
from tests.adapters.postgres.model_machine import (
    CREATORS,
    Machine,
    Payout,
    creators,
    picks,
    step,
)


class CreatorRules(Machine):
    """Diamonds, from the roll-up to the bank."""

    @step(minutes=st.integers(0, 6000))
    def roll_up(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.rolled_up()

    @step(batch=st.lists(st.tuples(creators, st.integers(1, 5)), min_size=1, max_size=4))
    def roll_up_two_policies_at_once(self, batch: list[tuple[int, int]]) -> None:
        fan = max(self.street.fans, key=lambda fan: self.street.fans[fan].balance)
        for policy in (2, 1):
            self.send([self.present(fan, to, count, policy) for to, count in batch])
        self.rolled_up()

    @step(days=st.integers(0, 20))
    def mature(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.matured()

    @precondition(lambda self: any(c.free for c in self.street.creators.values()))
    @step(pick=picks, share=st.integers(1, 4))
    def request_payout(self, pick: int, share: int) -> None:
        able = [creator for creator in CREATORS if self.street.creators[creator].free]
        creator = able[pick % len(able)]
        diamonds = -(-self.street.creators[creator].free // share)
        if self.street.is_frozen(creator):
            name = self.name()
            made = rules.payout_requested(key(name), self.now, HolderId(creator), diamonds, name)
            with pytest.raises(Frozen):
                self.driver().post([made])
        else:
            self.post(self.requested(creator, diamonds))

    @step(creator=creators, beyond=st.integers(1, 60))
    def request_more_than_there_is(self, creator: int, beyond: int) -> None:
        """The refusal takes the whole call with it."""
        name = self.name()
        diamonds = self.street.creators[creator].free + beyond
        made = rules.payout_requested(key(name), self.now, HolderId(creator), diamonds, name)
        with pytest.raises(Frozen if self.street.is_frozen(creator) else InsufficientBalance):
            self.driver().post([recharge(f"{name}, not", 5, 1), made])

    def _payout(self, pick: int, *, is_settled: bool) -> Payout:
        """One under way, or one that was settled; where there is none, it is requested now."""
        found = [payout for payout in self.payouts if payout.is_settled is is_settled]
        if not found:
            able = [c for c in CREATORS if self._can_request(c)]
            self.post(self.requested(able[pick % len(able)], 1))
            found = self.payouts[-1:]
            if is_settled:
                self.post(self.settled(found[0]))
        return found[pick % len(found)]

    def _can_request(self, creator: int) -> bool:
        books = self.street.creators[creator]
        return books.free > 0 and not self.street.is_frozen(creator)

    def _has_payout(self, *, is_settled: bool) -> bool:
        return any(payout.is_settled is is_settled for payout in self.payouts) or any(
            self._can_request(creator) for creator in CREATORS
        )

    @precondition(lambda self: self._has_payout(is_settled=False))
    @step(pick=picks)
    def settle_payout(self, pick: int) -> None:
        self.post(self.settled(self._payout(pick, is_settled=False)))

    @precondition(lambda self: self._has_payout(is_settled=False))
    @step(pick=picks)
    def return_payout(self, pick: int) -> None:
        payout, name = self._payout(pick, is_settled=False), self.name()
        self.payouts.remove(payout)
        self.street.return_payout(payout.creator, payout.diamonds)
        holder = HolderId(payout.creator)
        self.post(rules.payout_returned(key(name), self.now, holder, payout.diamonds, name, "no"))

    @precondition(lambda self: self._has_payout(is_settled=True))
    @step(pick=picks)
    def bounce_payout(self, pick: int) -> None:
        payout, name = self._payout(pick, is_settled=True), self.name()
        self.payouts.remove(payout)
        gross, fee = payout.cash
        self.street.bounce(payout.creator, payout.diamonds, gross, fee)
        facts = HolderId(payout.creator), payout.diamonds, usd(gross), usd(fee)
        self.post(rules.payout_bounced(key(name), self.now, *facts, name, "no"))

    @step(creator=creators)
    def close_creators(self, creator: int) -> None:
        """What creators' diamonds are worth, less what was accrued before, is owed to them."""
        name, bucket = self.name(), creators_bucket(creator)
        accrued = -self.street.platform[bucket, "creator_cost", "USD"]
        cost = self.street.close_creators(bucket)
        with transaction.atomic():
            found = closing.diamonds_by_policy(bucket)
            assert {policy: count for policy, count in found.items() if count} == {
                policy: count for policy, count in self.street.issued(bucket).items() if count
            }
            assert closing.platform_balance(bucket, Account.CREATOR_COST, "USD") == -accrued
            if cost:
                made = rules.creator_cost_closed(key(name), self.now, bucket, usd(cost), name)
                [posted] = DjangoBook().post([made])
                self.remember(made, posted.seq)
