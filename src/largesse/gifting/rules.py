"""Decisions about gifts and comments, before any coin moves.

Owns what a gift order must look like, what a comment may hold, and how fast one person may go.
Must not know the database, HTTP or a clock. Invariant: an order that passed here is whole: a known
gift, an open room of somebody else, and a positive number of pieces whose price fits the ledger.

Source for text: Unicode Technical Report 36 (bidirectional spoofing) and CVE-2021-42574.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from largesse.gifting.errors import (
    BadComment,
    BadCount,
    BadTitle,
    GiftRetired,
    RoomClosed,
    SelfGift,
    TooFast,
)
from largesse.money.ids import BadId, HolderId, RoomId, fan_bucket, parse_public_id, public_id
from largesse.people.rules import count_graphemes

MAX_COUNT = 999
"""Pieces in one order; a longer streak is several orders."""

COMMENT_MAX = 200
"""Characters of a comment as a reader counts them (grapheme clusters)."""

MESSAGE_MAX = 120
"""Characters of the words that travel with a gift."""

TITLE_MAX = 80
_CODE_POINTS_PER_CHARACTER = 8
_MARKS_MAX = 4
_SEQ_BITS = 56

_JOINERS = frozenset("\u200c\u200d")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


class RoomStatus(StrEnum):
    """A room is open once and closed once; a creator opens a new one the next time."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class GiftType:
    """A gift of the catalogue: `coins` is the price of one piece."""

    code: int
    slug: str
    name: str
    coins: int
    streakable: bool
    retired: bool
    alt: str


@dataclass(frozen=True, slots=True)
class RoomTerms:
    """What an order must know of a room: whose it is, whether it is open, its share policy."""

    id: RoomId
    creator: HolderId
    status: RoomStatus
    policy: int


def price_order(*, fan: HolderId, room: RoomTerms, gift: GiftType, count: object) -> int:
    """Return the coins that `count` pieces cost in this room.

    Raises RoomClosed, SelfGift, GiftRetired and BadCount, in this order of precedence; no retry of
    the same order helps.
    """
    if room.status is not RoomStatus.OPEN:
        raise RoomClosed("This room is closed; it takes no more gifts.", room=room.id)
    if fan == room.creator:
        raise SelfGift("This is your own room. Creators do not gift themselves.")
    if gift.retired:
        raise GiftRetired(f"{gift.name} is no longer given. Choose another gift.", gift=gift.slug)
    pieces = require_count(count)
    if pieces > 1 and not gift.streakable:
        raise BadCount(f"{gift.name} is given one at a time; send count 1.", gift=gift.slug)
    return pieces * gift.coins


def require_count(count: object) -> int:
    """Return the number of pieces, 1 to MAX_COUNT; raises BadCount for anything else."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise BadCount(
            f"The count must be a whole number from 1 to {MAX_COUNT}, not {str(count)[:40]}.",
            maximum=MAX_COUNT,
        )
    return count


def gift_public_id(fan: HolderId, seq: int) -> str:
    """Return the public id of a gift, made of where it stands: the fan's bucket and sequence."""
    return public_id("gft", fan_bucket(fan) << _SEQ_BITS | seq)


def streak_public_id(fan: HolderId, first_seq: int) -> str:
    """Return the public id of a streak, made of where its first gift stands."""
    return public_id("st", fan_bucket(fan) << _SEQ_BITS | first_seq)


def parse_gift_id(text: str) -> tuple[int, int]:
    """Return (bucket, sequence) of a gift's public id; raises BadId."""
    number = parse_public_id("gft", text)
    bucket, seq = number >> _SEQ_BITS, number & ((1 << _SEQ_BITS) - 1)
    if bucket > fan_bucket(HolderId(-1)) or seq == 0:
        raise BadId(f"{text!r} names no gift.", id=text)
    return bucket, seq


def require_comment(text: object, *, longest: int = COMMENT_MAX) -> str:
    """Return a comment as it is shown (NFC, single spaces); raises BadComment.

    Characters that turn the direction of other text, hide, or stack over their neighbours are
    refused rather than removed: nobody's words change behind their back. Whoever shows a comment
    isolates it (`dir="auto"`), so that right-to-left words stay within it.
    """
    if not isinstance(text, str):
        raise BadComment("The text must be a string.")
    if len(text) > longest * _CODE_POINTS_PER_CHARACTER:
        raise BadComment(f"At most {longest} characters fit.", maximum=longest)
    shown = " ".join(unicodedata.normalize("NFC", text).split())
    if not shown:
        raise BadComment("Type something first.")
    if count_graphemes(shown) > longest:
        raise BadComment(f"At most {longest} characters fit.", maximum=longest)
    run_of_marks = 0
    for char in shown:
        category = unicodedata.category(char)
        if category in _REFUSED_CATEGORIES and char not in _JOINERS:
            raise BadComment(
                "The text holds an invisible or direction-changing character. "
                "Type it again without pasting.",
                code_point=f"U+{ord(char):04X}",
            )
        run_of_marks = run_of_marks + 1 if category in ("Mn", "Me") else 0
        if run_of_marks > _MARKS_MAX:
            raise BadComment("The text stacks too many marks on one letter.")
    return shown


def require_title(text: str) -> str:
    """Return a room's title as it is shown; raises BadTitle."""
    try:
        return require_comment(text, longest=TITLE_MAX)
    except BadComment as error:
        raise BadTitle(error.message, **error.data) from error


class Pace:
    """How fast each person may go: `burst` acts at once, then one per `interval`.

    Keeps the time at which each person's allowance is full again (the virtual scheduling form of
    the generic cell rate algorithm, ITU-T I.371), and forgets people whose allowance is full.
    """

    def __init__(self, *, burst: int, interval: timedelta, remembered: int = 50_000) -> None:
        self._interval = interval
        self._slack = interval * (burst - 1)
        self._remembered = remembered
        self._full_at: dict[Hashable, datetime] = {}

    def admit(self, who: Hashable, at: datetime) -> None:
        """Count one act; raises TooFast with `retry_after_seconds` (at least 1)."""
        full_at = max(self._full_at.get(who, at), at)
        wait = full_at - at - self._slack
        if wait > timedelta(0):
            seconds = -(-wait // timedelta(seconds=1))
            raise TooFast(
                f"That was fast. Go on in {seconds} s.", retry_after_seconds=max(1, seconds)
            )
        if len(self._full_at) >= self._remembered:
            self._full_at = {key: full for key, full in self._full_at.items() if full > at}
        self._full_at[who] = full_at + self._interval
