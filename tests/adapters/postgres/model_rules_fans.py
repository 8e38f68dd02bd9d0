"""Rules of the model-based tests: coins that fans get, and what is done to their wallets.

Owns recharges, grants, replays of journals, spend orders and freezes. Must not compare: the machine
does. Invariant: a rule decides by the model and what was drawn, never by the product's own rules.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import strategies as st

from largesse.adapters.postgres.lots import set_spend_order
from largesse.ledger import rules
from largesse.ledger.accounts import Account, AccountRef
from largesse.ledger.errors import BalanceConstraint, KeyReused
from largesse.ledger.journals import Bound
from largesse.ledger.lots import SerialRange, SpendOrder
from largesse.money.assets import COIN
from largesse.money.ids import HolderId
from tests.adapters.postgres.coin_model import UNSPENT
from tests.adapters.postgres.ledger_world import bonus, recharge, usd
from tests.adapters.postgres.model_machine import (
    FANS,
    Machine,
    coins,
    currencies,
    fans,
    picks,
    step,
)

prices = st.integers(0, 300)


def numbers(serials: SerialRange) -> range:
    return range(serials.start, serials.stop)


class FanRules(Machine):
    """Money in, and the state of wallets."""

    @step(fan=fans, count=coins, price=prices, code=currencies)
    def recharge(self, fan: int, count: int, price: int, code: str) -> None:
        self.post(self.bought(fan, count, price, 0, code))

    @step(fan=fans, count=coins, price=prices, code=currencies, part=st.integers(1, 9))
    def recharge_with_tax(self, fan: int, count: int, price: int, code: str, part: int) -> None:
        self.post(self.bought(fan, count, price, price // part, code))

    @step(lots=st.lists(st.tuples(fans, coins, prices, currencies), min_size=2, max_size=5))
    def recharge_several_in_one_call(self, lots: list[tuple[int, int, int, str]]) -> None:
        self.post(*[self.bought(f, count, price, price // 7, c) for f, count, price, c in lots])

    @step(fan=fans, count=coins)
    def grant(self, fan: int, count: int) -> None:
        self.post(self.granted(fan, count))

    @step(fan=fans, count=coins, days=st.integers(1, 10))
    def grant_until(self, fan: int, count: int, days: int) -> None:
        self.post(self.granted(fan, count, self.now + timedelta(days=days)))

    @step(fan=fans, count=coins, price=prices, days=st.integers(1, 10))
    def recharge_until(self, fan: int, count: int, price: int, days: int) -> None:
        end = self.now + timedelta(days=days)
        self.post(self.bought(fan, count, price, price // 10, "USD", end))

    @step(fan=fans, order=st.sampled_from(SpendOrder))
    def choose_a_spend_order(self, fan: int, order: SpendOrder) -> None:
        self.driver().run(set_spend_order(HolderId(fan), order))
        self.street.fans[fan].paid_first = order is SpendOrder.PAID_FIRST

    @step(fan=fans, count=coins, slack=st.integers(-2, 2), is_floor=st.booleans())
    def recharge_under_a_bound(self, fan: int, count: int, slack: int, is_floor: bool) -> None:
        """A limit on the coins afterwards, held ones included; beyond it nothing is posted."""
        after = self.street.fans[fan].paid.states.count(UNSPENT) + count
        limit, holder = after + slack, HolderId(fan)
        bound = Bound(
            AccountRef(Account.FAN_PAID, holder),
            COIN,
            at_least=limit if is_floor and limit >= 0 else None,
            at_most=None if is_floor and limit >= 0 else limit,
        )
        is_broken = slack > 0 if bound.at_least is not None else slack < 0
        if is_broken:
            wrong = replace(recharge(self.name(), fan, count), bounds=(bound,))
            with pytest.raises(BalanceConstraint) as refused:
                self.driver().post([bonus(f"{self.name()}, not", fan, 1), wrong])
            assert refused.value.data["balance"] == after
        else:
            self.post(replace(self.bought(fan, count, 20, 2, "USD"), bounds=(bound,)))

    @step(picked=st.lists(picks, min_size=1, max_size=3), fan=fans)
    def replay_journals(self, picked: list[int], fan: int) -> None:
        """Old ones around a new one, and the new one twice: what stood there stays there."""
        old = [self.journals[pick % len(self.journals)] for pick in picked]
        fresh = self.bought(fan, 3, 10, 1, "USD")
        answers = self.driver().post([*(journal for journal, _ in old), fresh, fresh])
        assert [(p.seq, p.replayed) for p in answers[:-2]] == [(seq, True) for _, seq in old]
        first, again = answers[-2:]
        assert (first.replayed, again.replayed, again.seq) == (False, True, first.seq)
        self.remember(fresh, first.seq)

    @step(pick=picks, fan=fans, is_own=st.booleans())
    def reuse_the_key_of_a_journal(self, pick: int, fan: int, is_own: bool) -> None:
        """For something else, or for the same with one word changed: nothing is posted."""
        old, _ = self.journals[pick % len(self.journals)]
        name = self.name()
        other = rules.provider_settled(old.id, self.now, old.bucket, usd(1), usd(0), name)
        wrong = replace(old, reference=name, linked_to=None) if is_own else other
        with pytest.raises(KeyReused):
            self.driver().post([recharge(f"{name}, not", fan, 1), wrong])

    @step(fan=fans)
    def freeze(self, fan: int) -> None:
        self.freeze_now(fan, frozen=True)

    @step(pick=picks)
    def unfreeze(self, pick: int) -> None:
        """Mostly somebody who is frozen; to thaw others changes nothing."""
        frozen = [fan for fan in FANS if self.street.fans[fan].frozen] or FANS
        self.freeze_now(frozen[pick % len(frozen)], frozen=False)

    @step(fan=fans)
    def read_a_wallet_by_both_drivers(self, fan: int) -> None:
        model = self.street.fans[fan]
        for driver in self.drivers:
            wallet = driver.wallet(HolderId(fan))
            for purse, known in ((wallet.paid, model.paid), (wallet.bonus, model.bonus)):
                assert purse.balance == known.balance
                unspent = [serial for part in purse.unspent() for serial in numbers(part)]
                assert unspent == known.unspent
            assert wallet.spendable == (0 if model.blocked else model.balance)
