"""Rules of the model-based tests: two-phase journals, and journals that are linked.

Owns holds of payouts, of a gift's coins and of recharges, their ends, and chains. Must not compare
balances: the machine does, with the state of every hold. Invariant: the model alone says whether a
hold is refused and how it ends.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import strategies as st

from largesse.adapters.postgres import book as django_book
from largesse.adapters.postgres import holding, statements
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.linked import post_linked
from largesse.ledger import rules
from largesse.ledger.errors import (
    BadJournal,
    Frozen,
    HoldResolved,
    InsufficientBalance,
    KeyReused,
)
from largesse.ledger.holds import Held, Hold, State, held_gift
from largesse.ledger.journals import Journal
from largesse.ledger.ports import Posted
from largesse.money.errors import DomainError
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_model import PendingModel
from tests.adapters.postgres.ledger_world import key, recharge
from tests.adapters.postgres.model_machine import (
    Machine,
    Payout,
    Waiting,
    coins,
    creators,
    fans,
    picks,
    step,
)

hours = st.integers(1, 72)
REFUSALS: dict[str, type[DomainError]] = {
    "frozen": Frozen,
    "in_debt": InsufficientBalance,
    "insufficient": InsufficientBalance,
}


class HoldRules(Machine):
    """Pending, then posted, voided or expired; chains that stand or fall together."""

    def _hold(self, journal: Journal, kind: str, model: PendingModel) -> None:
        hold = Hold(journal, "review", model.expires_at)
        outcome = self.street.hold(model)
        self.tally.note("hold", kind, outcome)
        if outcome == "pending":
            held = self.driver().run(holding.hold_journal(hold))
            assert held == Held(journal.bucket, journal.id, State.PENDING, replayed=False)
            self.waiting.append(Waiting(hold, kind, model))
        else:
            with pytest.raises(REFUSALS[outcome]):
                self.driver().run(holding.hold_journal(hold))

    def _pending(self, pick: int) -> Waiting:
        """One that is pending; where there is none, a recharge is held now."""
        found = [one for one in self.waiting if one.model.state == "pending"]
        if not found:
            self._hold_recharge(5 + pick % 2, 6, self.now + timedelta(hours=1))
            found = self.waiting[-1:]
        return found[pick % len(found)]

    def _hold_recharge(self, fan: int, count: int, end: datetime) -> None:
        journal = recharge(self.name(), fan, count, at=self.now)
        self._hold(journal, "recharge", PendingModel(fan, end))

    @step(creator=creators, share=st.integers(1, 3), beyond=st.sampled_from((0, 0, 1)), h=hours)
    def hold_a_payout(self, creator: int, share: int, beyond: int, h: int) -> None:
        name = self.name()
        diamonds = max(1, -(-self.street.creators[creator].free // share)) + beyond
        made = rules.payout_requested(key(name), self.now, HolderId(creator), diamonds, name)
        end = self.now + timedelta(hours=h)
        self._hold(made, "payout", PendingModel(creator, end, diamonds=diamonds))

    @step(fan=fans, paid=st.integers(0, 15), bonus=st.integers(0, 6), h=hours)
    def hold_coins_for_a_gift(self, fan: int, paid: int, bonus: int, h: int) -> None:
        paid += not (paid or bonus)
        made = held_gift(key(self.name()), self.now, HolderId(fan), paid, bonus)
        self._hold(made, "gift", PendingModel(fan, self.now + timedelta(hours=h), paid, bonus))

    @step(fan=fans, count=coins, h=hours)
    def hold_a_recharge(self, fan: int, count: int, h: int) -> None:
        """It reserves nothing: the coins are not there yet."""
        self._hold_recharge(fan, count, self.now + timedelta(hours=h))

    @step(pick=picks)
    def post_a_hold(self, pick: int) -> None:
        """As it was held, unless it is too late, a gift, or frozen since."""
        one = self._pending(pick)
        journal, model = one.hold.journal, one.model
        refusal: type[DomainError] | None = None
        if model.expires_at <= self.now:
            refusal = HoldResolved
        elif one.kind == "gift":
            refusal = BadJournal
        elif one.kind == "payout" and self.street.is_frozen(model.holder):
            refusal = Frozen
        steps = holding.post_hold(journal.bucket, journal.id, self.now)
        if refusal is not None:
            with pytest.raises(refusal):
                self.driver().run(steps)
            return
        posted = self.driver().run(steps)
        assert not posted.replayed
        self.street.end_hold(model, "posted")
        self._book(one)
        self.remember(journal, posted.seq)

    def _book(self, one: Waiting) -> None:
        """What a posted hold does, in the model."""
        holder = one.model.holder
        if one.kind == "payout":
            self.street.request(holder, one.model.diamonds)
            self.payouts.append(Payout(holder, one.model.diamonds))
        else:
            [lot] = one.hold.journal.lots
            facts = lot.coins, lot.price_minor, lot.tax_minor, lot.currency
            self.street.recharge(lot.reference, holder, *facts)

    @step(pick=picks, creator=creators, is_given=st.booleans())
    def void_a_hold(self, pick: int, creator: int, is_given: bool) -> None:
        """Its coins are free again; what was held for a gift may be given with it."""
        one = self._pending(pick)
        journal, model = one.hold.journal, one.model
        if model.expires_at <= self.now:
            with pytest.raises(HoldResolved):
                self.driver().run(holding.void_holds([(journal.bucket, journal.id)], self.now))
            return
        name, posting = self.present(model.holder, creator, max(1, model.paid + model.bonus))
        with transaction.atomic():
            held = DjangoBook().void_hold(journal.bucket, journal.id, self.now)
            assert held == Held(journal.bucket, journal.id, State.VOIDED, replayed=False)
            self.street.end_hold(model, "voided")
            if is_given and one.kind == "gift":
                answers = django_book.run(statements.post_gifts([posting]))
                self.compare([(name, posting)], answers)

    @step(h=hours)
    def sweep_holds(self, h: int) -> None:
        """Expire what is due; where nothing is, go on to the next that will be."""
        self.now += timedelta(hours=h)
        ends = [one.model.expires_at for one in self.waiting if one.model.state == "pending"]
        if ends:
            self.now = max(self.now, min(ends))
        due = [
            one.model
            for one in self.waiting
            if one.model.state == "pending" and one.model.expires_at <= self.now
        ]
        assert self.driver().run(holding.expire_holds(self.now, 1_000)) == len(due)
        for model in due:
            self.street.end_hold(model, "expired")

    @step(pick=picks)
    def ask_again_about_a_hold(self, pick: int) -> None:
        """Its id stands for it for ever, and every end is answered by how it ended."""
        self._pending(pick)
        one = self.waiting[pick % len(self.waiting)]
        journal, state = one.hold.journal, State(one.model.state)
        place = journal.bucket, journal.id
        again = self.driver().run(holding.hold_journal(one.hold))
        assert again == Held(*place, state, replayed=True)
        with pytest.raises(KeyReused):
            self.driver().run(holding.hold_journal(replace(one.hold, reason="other")))
        if state is State.POSTED:
            assert self.driver().run(holding.post_hold(*place, self.now)).replayed
        elif one.kind != "gift":
            with pytest.raises(KeyReused):
                self.driver().post([journal])
        if state is State.VOIDED:
            [held] = self.driver().run(holding.void_holds([place], self.now))
            assert held.replayed
        elif state is not State.PENDING:
            with pytest.raises(HoldResolved):
                self.driver().run(holding.void_holds([place], self.now))

    # -- Chains ------------------------------------------------------------------------------------

    @step(fan=fans, other=fans, creator=creators, beyond=st.sampled_from((0, 1, 9)))
    def post_linked_chains(self, fan: int, other: int, creator: int, beyond: int) -> None:
        """Three chains that travel mixed: a good one, one that may be refused, and a circle."""
        bought = self.bought(fan, 5, 50, 5, "USD")
        granted = replace(self.granted(fan, 2), linked_to=bought.id)
        name, diamonds = self.name(), self.street.creators[creator].free + beyond
        asked = rules.payout_requested(
            key(name), self.now, HolderId(creator), max(1, diamonds), name
        )
        refusal: type[DomainError] | None = None
        if self.street.is_frozen(creator) or beyond or not diamonds:
            refusal = Frozen if self.street.is_frozen(creator) else InsufficientBalance
            mate = recharge(self.name(), other, 4)
        else:
            mate = self.bought(other, 4, 9, 0, "JPY")
            self.street.request(creator, diamonds)
            self.payouts.append(Payout(creator, diamonds))
        asked = replace(asked, linked_to=mate.id)
        circle = self._circle(other)
        sent = [bought, mate, circle[0], granted, asked, circle[1]]
        answers = self.driver().run(post_linked(sent))
        for journal, answer in zip(sent, answers, strict=True):
            expected: type[DomainError] | None = BadJournal if journal in circle else None
            if journal in (mate, asked):
                expected = refusal
            assert isinstance(answer, expected or Posted)
            if isinstance(answer, Posted):
                assert not answer.replayed
                self.remember(journal, answer.seq)

    def _circle(self, fan: int) -> tuple[Journal, Journal]:
        one, two = (recharge(self.name(), fan, 1) for _ in range(2))
        links: tuple[UUID, UUID] = (two.id, one.id)
        return replace(one, linked_to=links[0]), replace(two, linked_to=links[1])
