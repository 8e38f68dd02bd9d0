"""A room as its viewers see it: totals, supporters, lines, streaks, and the events that change it.

Owns the state of one room and the sequence of its events, without input or output. Must not know
connections, the database or a clock. Invariant: a snapshot and all events after its cursor give the
next snapshot, and state depends only on which gifts are committed, not on how they were learnt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from largesse.gifting.rules import (
    GiftType,
    RoomStatus,
    RoomTerms,
    gift_public_id,
    streak_public_id,
)
from largesse.gifting.streaks import Streak, StreakBook, StreakEnd, Tap
from largesse.live.wire import (
    Json,
    coins,
    cursor,
    gift_type,
    message,
    person,
    stamp,
)
from largesse.money.ids import HolderId, public_id

LINES = 50
BOARD = 10


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """What the web has said of a room."""

    terms: RoomTerms
    creator_name: str
    creator_handle: str
    title: str
    policy_version: str


@dataclass(frozen=True, slots=True)
class CommittedGift:
    """A gift that is in the books: `seq` is its place in the fan's bucket."""

    fan: HolderId
    name: str
    gift: GiftType
    count: int
    coins: int
    bonus: int
    at: datetime
    seq: int
    streak_seq: int
    message: str | None = None


@dataclass(slots=True)
class _Supporter:
    name: str
    coins: int = 0
    gifts: int = 0


@dataclass(slots=True)
class _StreakChange:
    """What one flush will say of a streak: all pieces since the last one."""

    streak: Streak
    last: CommittedGift
    begins: bool
    count: int = 0
    coins: int = 0
    bonus: int = 0
    message: str | None = None


@dataclass(slots=True)
class _Pending:
    said: list[tuple[str, Json]] = field(default_factory=list)
    changes: dict[int, _StreakChange] = field(default_factory=dict)
    board: bool = False


class RoomState:
    """One room; `epoch` names this life of it, `is_test` says that no real money is in it."""

    def __init__(self, facts: RoomFacts, *, epoch: str, is_test: bool) -> None:
        self.facts = facts
        self.epoch = epoch
        self.is_test = is_test
        self.streaks = StreakBook()
        self.sequence = 0
        self.viewers = 0
        self._coins = 0
        self._gifts = 0
        self._supporters: dict[HolderId, _Supporter] = {}
        self._board: list[HolderId] = []
        self._lines: list[Json] = []
        self._kinds: dict[int, GiftType] = {}
        self._pending = _Pending()
        self._told_totals = (0, 0, 0)

    # -- What happens ---------------------------------------------------------------------------

    def add_tally(self, fan: HolderId, name: str, coins_given: int, gifts: int) -> None:
        """Take in what a fan gave before this life of the room."""
        self._count(fan, name, coins_given, gifts)

    def add_line(self, fan: HolderId, first_seq: int, gift: GiftType, given: Json) -> None:
        """Take in a line of before; `given` has count, coins, opened_at and last_at."""
        streak_like = gift.streakable
        if streak_like:
            self.streaks.restore(
                fan,
                self.facts.terms.id,
                gift.code,
                first_seq=first_seq,
                total=given["count"],
                opened_at=given["opened_at"],
                last_at=given["last_at"],
            )
            self._kinds[gift.code] = gift
        line_id = (streak_public_id if streak_like else gift_public_id)(fan, first_seq)
        line = self._gift_line(line_id, fan, gift, stamp(given["opened_at"]))
        line["count"], line["total"] = given["count"], coins(given["coins"])
        self._put_line(line)

    def see_gift(self, gift: CommittedGift, tap: Tap | None = None) -> None:
        """Take in a committed gift, exactly once; `tap` is its reservation in this process."""
        self._count(gift.fan, gift.name, gift.coins, gift.count)
        if gift.gift.streakable:
            self._see_streak(gift, tap)
            return
        self.streaks.interrupt(gift.fan, self.facts.terms.id)
        line = self._gift_line(
            gift_public_id(gift.fan, gift.seq), gift.fan, gift.gift, stamp(gift.at)
        )
        line["count"], line["total"] = gift.count, coins(gift.coins)
        line["message"] = message(gift.message)
        self._put_line(line)
        body = self._spend(gift, line["id"], gift.count, gift.coins, gift.bonus)
        body["message"] = line["message"]
        self._pending.said.append(("gift.sent", body))

    def see_comment(
        self, comment_id: str, holder: HolderId, name: str, text: str, at: datetime
    ) -> None:
        """Take in a comment."""
        line: Json = {
            "kind": "comment",
            "id": comment_id,
            "at": stamp(at),
            "sender": person(holder, name),
            "text": text,
        }
        self._put_line(line)
        body = {"line_id" if key == "id" else key: value for key, value in line.items()}
        self._pending.said.append(("comment.sent", body))

    def restore_message(self, line_id: str, text: str) -> None:
        """Put the words of a gift of before under its line, if the line is still kept."""
        for line in self._lines:
            if line["id"] == line_id:
                line["message"] = message(text)

    def change_facts(self, facts: RoomFacts) -> None:
        """Take in what the web changed; closing ends every streak."""
        closes = self.is_open and facts.terms.status is not RoomStatus.OPEN
        self.facts = facts
        if closes:
            self.streaks.close_room(facts.terms.id)
            self._pending.said.append(("room.closed", {"status": facts.terms.status.value}))

    @property
    def is_open(self) -> bool:
        """Whether the room takes gifts and comments."""
        return self.facts.terms.status is RoomStatus.OPEN

    # -- What is told ---------------------------------------------------------------------------

    def forget_pending(self, now: datetime) -> None:
        """Begin telling from here: what was taken in so far is in the snapshot."""
        self.streaks.close_due(now)
        self.streaks.take_ends()
        self._pending = _Pending()
        self._told_totals = self._totals_key()

    def flush(self, now: datetime) -> list[Json]:
        """Return the events since the last flush, streaks gathered, in the order they began."""
        self.streaks.close_due(now)
        ends = self.streaks.take_ends()
        pending, self._pending = self._pending, _Pending()
        events: list[Json] = []
        for kind, body in pending.said:
            events.append(self._event(kind, body, now))
            if kind == "gift.sent":
                events.append(self._umbrella("gift", body, now))
        for change in pending.changes.values():
            kind = "gift.streak.begin" if change.begins else "gift.streak.update"
            body = self._change_body(change)
            events.append(self._event(kind, body, now))
            events.append(self._umbrella("gift_streak", body, now))
        events.extend(self._event("gift.streak.end", self._end_body(end), now) for end in ends)
        if pending.board:
            events.append(self._event("board.updated", {"board": self._board_rows()}, now))
        if self._told_totals != self._totals_key():
            self._told_totals = self._totals_key()
            events.append(self._event("room.totals", self._totals(), now))
        return events

    def snapshot(self) -> Json:
        """Return the room as it stands after the last flush; flush first."""
        terms = self.facts.terms
        return {
            "id": public_id("room", terms.id),
            "title": self.facts.title,
            "status": terms.status.value,
            "creator": {
                **person(terms.creator, self.facts.creator_name),
                "handle": self.facts.creator_handle,
            },
            "policy_version": self.facts.policy_version,
            "is_test": self.is_test,
            "totals": self._totals(),
            "board": self._board_rows(),
            "feed": list(self._lines),
            "streaks": [self._streak_row(streak) for streak in self.streaks.open_streaks(terms.id)],
            "cursor": cursor(self.epoch, self.sequence),
            "sequence": self.sequence,
        }

    @property
    def needs_flush(self) -> bool:
        """True while a flush would say something now or soon."""
        pending = self._pending
        return bool(
            pending.said
            or pending.changes
            or pending.board
            or self.streaks.has_any
            or self._told_totals != self._totals_key()
        )

    # -- Inside: state --------------------------------------------------------------------------

    def _count(self, fan: HolderId, name: str, coins_given: int, gifts: int) -> None:
        self._coins += coins_given
        self._gifts += gifts
        supporter = self._supporters.setdefault(fan, _Supporter(name))
        supporter.name = name
        supporter.coins += coins_given
        supporter.gifts += gifts
        # Coins only grow, so whoever is not among the first ten cannot enter by another's change.
        board = self._board
        if fan not in board:
            last = self._supporters[board[-1]] if len(board) == BOARD else None
            if last is not None and (-last.coins, board[-1]) < (-supporter.coins, fan):
                return
            board.append(fan)
        board.sort(key=lambda one: (-self._supporters[one].coins, one))
        del board[BOARD:]
        self._pending.board = True

    def _see_streak(self, gift: CommittedGift, tap: Tap | None) -> None:
        self._kinds[gift.gift.code] = gift.gift
        if tap is None:
            streak = self.streaks.observe(
                gift.fan,
                self.facts.terms.id,
                gift.gift.code,
                gift.at,
                count=gift.count,
                seq=gift.seq,
                streak_seq=gift.streak_seq,
            )
        else:
            self.streaks.confirm(tap, gift.seq)
            streak = tap.streak
        line_id = streak_public_id(gift.fan, streak.first_seq)
        line = next((one for one in self._lines if one["id"] == line_id), None)
        if line is None:
            line = self._gift_line(line_id, gift.fan, gift.gift, stamp(streak.opened_at))
            self._put_line(line)
        line["count"] = streak.total
        line["total"] = coins(line["total"]["units"] + gift.coins)
        change = self._pending.changes.get(streak.number)
        if change is None:
            change = _StreakChange(streak, gift, begins=streak.total == gift.count)
            self._pending.changes[streak.number] = change
        if gift.message is not None:
            change.message = gift.message
            line["message"] = message(gift.message)
        change.last = gift
        change.count += gift.count
        change.coins += gift.coins
        change.bonus += gift.bonus

    def _put_line(self, line: Json) -> None:
        place = len(self._lines)
        key = (line["at"], line["id"])
        while place and (self._lines[place - 1]["at"], self._lines[place - 1]["id"]) > key:
            place -= 1
        self._lines.insert(place, line)
        del self._lines[:-LINES]

    def _gift_line(self, line_id: str, fan: HolderId, gift: GiftType, at: str) -> Json:
        return {
            "kind": "gift",
            "id": line_id,
            "at": at,
            "sender": person(fan, self._supporters[fan].name if fan in self._supporters else ""),
            "gift": gift_type(gift),
            "count": 0,
            "total": coins(0),
            "message": None,
        }

    # -- Inside: words --------------------------------------------------------------------------

    def _event(self, kind: str, body: Json, now: datetime) -> Json:
        self.sequence += 1
        place = cursor(self.epoch, self.sequence)
        return {
            "type": kind,
            "timestamp": stamp(now),
            "data": {
                "id": f"evt_{place}",
                "cursor": place,
                "sequence": self.sequence,
                "is_test": self.is_test,
                "room_id": public_id("room", self.facts.terms.id),
                "creator_id": public_id("usr", self.facts.terms.creator),
                **body,
            },
        }

    def _spend(self, gift: CommittedGift, line_id: str, count: int, units: int, bonus: int) -> Json:
        room = public_id("room", self.facts.terms.id)
        return {
            "line_id": line_id,
            "at": stamp(gift.at),
            "target": {"kind": "live", "id": room, "member_id": None},
            "sender": person(gift.fan, gift.name),
            "gift": gift_type(gift.gift),
            "count": count,
            "total": coins(units),
            "paid": coins(units - bonus),
            "bonus": coins(bonus),
            "policy_version": self.facts.policy_version,
        }

    def _umbrella(self, kind: str, body: Json, now: datetime) -> Json:
        """One event for every spending of coins, whatever its kind: a bot needs no other."""
        spend = {
            "kind": kind,
            "line_id": body["line_id"],
            "sender": body["sender"],
            "spent": body["total"] if kind == "gift" else body["streak"]["spent"],
            "policy_version": body["policy_version"],
        }
        return self._event("coins.spend", spend, now)

    def _change_body(self, change: _StreakChange) -> Json:
        streak, price = change.streak, change.last.gift.coins
        line_id = streak_public_id(streak.fan, streak.first_seq)
        body = self._spend(change.last, line_id, change.count, change.coins, change.bonus)
        return {
            **body,
            "at": stamp(streak.opened_at),
            "streak": {
                "id": line_id,
                "delta": change.count,
                "total": streak.total,
                "spent": coins(change.coins),
                "closed_by": None,
            },
            "total": coins(streak.total * price),
            "message": message(change.message),
        }

    def _end_body(self, end: StreakEnd) -> Json:
        row = self._streak_row(end.streak)
        return {
            **row,
            "target": {
                "kind": "live",
                "id": public_id("room", self.facts.terms.id),
                "member_id": None,
            },
            "streak": {**row["streak"], "delta": 0, "closed_by": end.closed_by.value},
            "policy_version": self.facts.policy_version,
        }

    def _streak_row(self, streak: Streak) -> Json:
        gift = self._kinds[streak.gift]
        line_id = streak_public_id(streak.fan, streak.first_seq)
        return {
            "line_id": line_id,
            "at": stamp(streak.opened_at),
            "sender": person(streak.fan, self._supporters[streak.fan].name),
            "gift": gift_type(gift),
            "streak": {"id": line_id, "total": streak.total},
            "total": coins(streak.total * gift.coins),
        }

    def _totals_key(self) -> tuple[int, int, int]:
        return (self._coins, self._gifts, self.viewers)

    def _totals(self) -> Json:
        return {"coins": coins(self._coins), "gifts": self._gifts, "viewers": self.viewers}

    def _board_rows(self) -> list[Json]:
        return [
            {
                "rank": rank,
                **person(fan, self._supporters[fan].name),
                "total": coins(self._supporters[fan].coins),
                "gifts": self._supporters[fan].gifts,
            }
            for rank, fan in enumerate(self._board, start=1)
        ]
