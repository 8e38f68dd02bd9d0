"""A small world on the real ledger: fans recharge, gifts are posted and rolled up.

Owns the shortest way to diamonds for tests. Must not know payouts or pages. Invariant: everything
goes through the book and the statements that the product uses.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from django.db import transaction

from largesse.adapters.postgres.book import DjangoBook, run
from largesse.adapters.postgres.rollup import RollUp, roll_up
from largesse.adapters.postgres.statements import post_gifts
from largesse.earnings.selectors import policies
from largesse.ledger.gifts import GiftPosting
from largesse.ledger.rules import Payment, recharge_captured
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, RoomId, id_from_name, uuid7


class Street:
    """Recharge, gift and roll-up at a given time; ids are the same in every run."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.book = DjangoBook()
        self._numbers = count(1)

    def key(self) -> UUID:
        """Return a fresh UUIDv7 of the world's time."""
        name = f"street {next(self._numbers)}".encode()
        return uuid7(int(self.now.timestamp() * 1000), hashlib.sha256(name).digest())

    def new_id(self) -> int:
        """Return a fresh random-looking 63-bit id."""
        return id_from_name("street", str(next(self._numbers)))

    def holder(self, name: str) -> HolderId:
        """Return the id of a person who needs no login."""
        return HolderId(id_from_name("tests", name))

    def recharge(
        self, fan: HolderId, coins: int, price_minor: int, tax_minor: int = 0, code: str = "USD"
    ) -> None:
        """Credit coins for a captured payment."""
        money = asset(code)
        payment = Payment(Amount(price_minor, money), Amount(tax_minor, money), "web", "rch_test")
        with transaction.atomic():
            self.book.post([recharge_captured(self.key(), self.now, fan, coins, payment)])

    def gift(self, fan: HolderId, creator: HolderId, coins: int, policy: int = 1) -> None:
        """Post one committed gift."""
        posting = GiftPosting(
            id=self.key(),
            fan=fan,
            creator=creator,
            room=RoomId(1),
            gift=1,
            count=1,
            coins=coins,
            policy=policy,
            streak_seq=0,
            at=self.now,
        )
        with transaction.atomic():
            (result,) = run(post_gifts([posting]))
        assert result.outcome == "posted", result

    def roll_up(self) -> RollUp:
        """Credit all committed gifts to their creators."""
        with transaction.atomic():
            done = run(roll_up(self.now, {policy.number: policy for policy in policies()}))
        assert done is not None
        return done

    def earn(self, creator: HolderId, coins: int) -> None:
        """Let a fan of the creator recharge and gift some coins, rolled up but not matured."""
        fan = HolderId(self.new_id())
        self.recharge(fan, coins, max(coins, 1))
        self.gift(fan, creator, coins)
        self.roll_up()

    def wait(self, days: int) -> None:
        """Move the world's time."""
        self.now += timedelta(days=days)
