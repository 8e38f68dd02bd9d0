"""Rules of the model-based tests: whole transactions, and what the books tell of themselves.

Owns roll-backs, statements, explanations and seals. Must not compare balances: the machine does.
Invariant: reading changes nothing.
"""

from __future__ import annotations

from django.db import transaction
from hypothesis import strategies as st

from largesse.adapters.postgres import book as django_book
from largesse.adapters.postgres import statements
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.explaining import accounts_of, chain, one_moment, platform_assets
from largesse.adapters.postgres.reading import full_statement
from largesse.ledger.accounts import Account
from largesse.money.ids import PLATFORM, HolderId
from tests.adapters.postgres.ledger_model import creators_bucket, fans_bucket
from tests.adapters.postgres.ledger_world import gift, recharge, roll_up_now
from tests.adapters.postgres.model_machine import (
    PEOPLE,
    Machine,
    creators,
    fans,
    picks,
    step,
)
from tests.adapters.postgres.sealed_world import checkpoint, gift_id, receipt, seal_all

people = st.sampled_from(PEOPLE)
OF_PLATFORM = [account for account in Account if not account.personal]


class BookRules(Machine):
    """The transaction around postings, and the books' own words."""

    @step(fan=fans, creator=creators, count=st.integers(1, 5), is_rolled_up=st.booleans())
    def roll_back(self, fan: int, creator: int, count: int, is_rolled_up: bool) -> None:
        """Everything in one transaction that ends badly; then the gift is sent for good."""
        name = self.name()
        posting = gift(name, fan, count, creator=creator)
        with transaction.atomic():
            DjangoBook().post([recharge(f"{name}, not", fan, 100)])
            DjangoBook().freeze(HolderId(fan), frozen=False)
            [answer] = django_book.run(statements.post_gifts([posting]))
            assert answer.outcome == ("blocked" if self.street.fans[fan].debt else "posted")
            if is_rolled_up:
                assert roll_up_now(self.now) is not None
            transaction.set_rollback(True)
        self.send([(name, posting)])

    @step(holder=people, page=st.integers(2, 40))
    def read_a_statement(self, holder: int, page: int) -> None:
        """Page by page, each half says what the model remembers, with the balance after each."""
        entries = list(full_statement(HolderId(holder), page=page))[::-1]
        for bucket in (fans_bucket(holder), creators_bucket(holder)):
            balances: dict[tuple[str, str], int] = {}
            said = [entry for entry in entries if entry.bucket == bucket]
            known = self.street.history.get((holder, bucket), [])
            assert len(said) == len(known)
            for entry, (event, own) in zip(said, known, strict=True):
                assert entry.event == event
                assert {(c.account, c.asset): c.change for c in entry.changes} == own
                for change in entry.changes:
                    where = change.account, change.asset
                    balances[where] = balances.get(where, 0) + change.change
                    assert change.balance_after == balances[where]

    @step(holder=people, pick=picks, limit=st.integers(1, 30))
    def explain_a_balance(self, holder: int, pick: int, limit: int) -> None:
        """A chain ends at the stored balance, and a person's has a link for every change."""
        targets = accounts_of(HolderId(holder))
        for code in OF_PLATFORM[pick % len(OF_PLATFORM) :][:1]:
            targets += platform_assets(code)
        target = targets[pick % len(targets)]
        where = target.account.code, target.asset
        with one_moment():
            found = chain(target, limit)
            links = list(found.links)
        balance = found.before.balance
        for link in links:
            balance += link.move.change
            assert link.balance_after == balance
        assert balance == found.stored
        if target.holder == PLATFORM:
            held = self.street.platform.items()
            assert balance == sum(held for (_, *at), held in held if (*at,) == where)
        else:
            own = self.street.history.get((holder, target.home or 0), [])
            moved = [changes[where] for _, changes in own if where in changes]
            assert found.before.journals == max(0, len(moved) - limit)
            assert [link.move.change for link in links] == moved[-limit:]

    @step(pick=picks, side=st.sampled_from(("fan", "creator")))
    def seal(self, pick: int, side: str) -> None:
        """Every posting becomes one leaf; a receipt of any gift names its coins."""
        new = self.street.postings.total() - self.sealed
        assert seal_all(1 + pick) == new
        self.sealed += new
        assert int(checkpoint(self.now).split("\n")[1]) == self.sealed
        given = list(self.given.values())
        if given:
            one = given[pick % len(given)]
            shown = receipt(gift_id(one.name, one.posting.fan), side)
            assert shown.entry["coins"] == one.posting.coins
