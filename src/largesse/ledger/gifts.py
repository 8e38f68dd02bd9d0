"""Gifts as the ledger sees them.

Owns the values that the gift path hands to a book and gets back, and the model decision that the
database must agree with. Must not know rooms, catalogues or streak timing. Invariant: gifts are
decided one by one in arrival order, whatever batch they travel in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from largesse.ledger.errors import BadJournal
from largesse.money.amounts import checked_minor
from largesse.money.ids import PLATFORM, HolderId, RoomId

Outcome = Literal["posted", "replayed", "key_reused", "blocked", "insufficient"]
"""In order of precedence: a replay is answered even where a new gift would be refused."""

_MAX_INTEGER = 2**31 - 1

IMPORTED_GIFT = 0
"""The catalogue code of gifts that came from a file with an amount of their own."""


@dataclass(frozen=True, slots=True)
class GiftPosting:
    """A gift to post: `coins` in all for `count` pieces of catalogue code `gift`.

    `id` is `money.ids.keyed_id(fan, client key)`. `streak_seq` is the sequence of the first gift of
    its streak, 0 for a first or single one. `policy` numbers the share policy that it earns under.
    """

    id: UUID
    fan: HolderId
    creator: HolderId
    room: RoomId
    gift: int
    count: int
    coins: int
    policy: int
    streak_seq: int
    at: datetime

    def __post_init__(self) -> None:
        checked_minor(self.coins, what="coins of a gift")
        checked_minor(self.count, what="count of a gift")
        # One gift that no column holds would fail the whole batch that it travels in.
        if self.coins == 0 or not 1 <= self.count <= _MAX_INTEGER:
            raise BadJournal("A gift needs at least one coin, and 1 to 2,147,483,647 pieces.")
        if not (0 <= self.gift <= _MAX_INTEGER and 0 < self.policy <= _MAX_INTEGER):
            raise BadJournal(f"There is no gift {self.gift} under policy {self.policy}.")
        if self.fan <= PLATFORM or self.creator <= PLATFORM:
            raise BadJournal("A gift goes from a person to a person.")
        if self.at.tzinfo is None:
            raise BadJournal("The time of a gift needs a zone.")


@dataclass(frozen=True, slots=True)
class GiftResult:
    """What became of a posting: where it stands in the fan's bucket, and the coins left after it.

    `bonus` of its coins were bonus coins. For `insufficient`, `balance` is what there was.
    """

    outcome: Outcome
    seq: int
    bonus: int
    balance: int
