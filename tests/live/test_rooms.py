"""A room's state: any stale snapshot and the events after it give the fresh snapshot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from largesse.gifting.rules import GiftType, RoomStatus, RoomTerms
from largesse.live.rooms import BOARD, LINES, CommittedGift, RoomFacts, RoomState
from largesse.live.wire import Json, encode
from largesse.money.ids import HolderId, RoomId
from tests.live.reducer import apply

T0 = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
TERMS = RoomTerms(RoomId(5), HolderId(9), RoomStatus.OPEN, 1)
FACTS = RoomFacts(TERMS, "Aria", "aria", "Evening songs", "share-2026-11")
HEARTS = GiftType(1, "hearts", "Hearts", 1, streakable=True, retired=False, alt="Hearts")
PANDA = GiftType(4, "panda", "Panda", 5, streakable=True, retired=False, alt="A panda")
DIAMOND = GiftType(24, "diamond", "Diamond", 1000, streakable=False, retired=False, alt="It shines")


class Room:
    """Drives a room as the intake does, with a sequence per fan's bucket."""

    def __init__(self) -> None:
        self.state = RoomState(FACTS, epoch="life", is_test=True)
        self.now = T0
        self.seq = 0

    def give(self, fan: int, gift: GiftType, count: int = 1, message: str | None = None) -> None:
        holder = HolderId(fan)
        tap = None
        if gift.streakable:
            tap = self.state.streaks.tap(holder, TERMS.id, gift.code, self.now, count=count)
        self.seq += 1
        first = tap.streak_seq if tap else 0
        facts = (count, count * gift.coins, 0, self.now, self.seq, first, message)
        self.state.see_gift(CommittedGift(holder, f"Fan {fan}", gift, *facts), tap)

    def say(self, fan: int, text: str) -> None:
        self.seq += 1
        self.state.see_comment(f"cmt_{self.seq:09}", HolderId(fan), f"Fan {fan}", text, self.now)

    def flush(self) -> list[Json]:
        events: list[Json] = msgspec.json.decode(encode(self.state.flush(self.now)))
        return events

    def snapshot(self) -> Json:
        found: Json = msgspec.json.decode(encode(self.state.snapshot()))
        return found


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["give", "give", "give", "say", "flush", "viewers"]),
        st.integers(1, 14),
        st.sampled_from([HEARTS, PANDA, DIAMOND]),
        st.integers(1, 5),
        st.integers(0, 2_500),
    ),
    max_size=120,
)


@given(ACTIONS, st.integers(0, 119))
def test_a_stale_snapshot_and_the_events_after_it_give_the_fresh_one(actions, taken_at):
    room, stale = Room(), None
    events: list[Json] = []
    for index, (name, fan, gift, count, pause) in enumerate(actions):
        room.now += timedelta(milliseconds=pause)
        if index == taken_at:
            room.flush()
            stale, events = room.snapshot(), []
        if name == "give":
            words = "gg" if count == 5 else None
            room.give(fan, gift, count if gift.streakable else 1, words)
        elif name == "say":
            room.say(fan, "hello")
        elif name == "viewers":
            room.state.viewers = count
        else:
            events += room.flush()
    if stale is None:
        stale = Room().snapshot()
    events += room.flush()
    assert apply(stale, events) == room.snapshot()


@given(ACTIONS)
def test_totals_are_exact_and_every_spending_has_its_umbrella(actions):
    room, coins, gifts = Room(), 0, 0
    events: list[Json] = []
    for name, fan, gift, count, pause in actions:
        room.now += timedelta(milliseconds=pause)
        if name == "give":
            pieces = count if gift.streakable else 1
            room.give(fan, gift, pieces)
            coins, gifts = coins + pieces * gift.coins, gifts + pieces
        elif name == "flush":
            events += room.flush()
    events += room.flush()
    totals = room.snapshot()["totals"]
    assert (totals["coins"]["units"], totals["gifts"]) == (coins, gifts)
    spent = [e["data"]["spent"]["units"] for e in events if e["type"] == "coins.spend"]
    assert sum(spent) == coins
    assert [e["data"]["sequence"] for e in events] == list(range(1, len(events) + 1))


def test_taps_within_a_flush_are_one_event_and_the_end_is_the_servers():
    room = Room()
    for _ in range(7):
        room.give(1, PANDA)
    (begin,) = [e for e in room.flush() if e["type"].startswith("gift.streak")]
    assert begin["type"] == "gift.streak.begin"
    streak = begin["data"]["streak"]
    assert (streak["delta"], streak["total"], streak["closed_by"]) == (7, 7, None)
    room.give(1, PANDA, 3)
    (update,) = [e for e in room.flush() if e["type"].startswith("gift.streak")]
    assert (update["type"], update["data"]["streak"]["delta"]) == ("gift.streak.update", 3)
    room.now += timedelta(seconds=3)
    (end,) = room.flush()
    assert end["type"] == "gift.streak.end"
    assert end["data"]["streak"] == {
        "id": streak["id"],
        "total": 10,
        "delta": 0,
        "closed_by": "timeout",
    }
    assert end["data"]["total"] == {"units": 50, "unit": "coin"}
    assert not room.state.needs_flush


def test_lines_and_board_are_bounded_and_ordered():
    room = Room()
    for fan in range(1, 100):
        room.now += timedelta(milliseconds=10)
        room.give(fan, HEARTS, fan)
    room.flush()
    snapshot = room.snapshot()
    assert len(snapshot["feed"]) == LINES
    assert [row["total"]["units"] for row in snapshot["board"]] == list(range(99, 99 - BOARD, -1))
    assert [row["rank"] for row in snapshot["board"]] == list(range(1, BOARD + 1))


def test_closing_ends_streaks_and_is_told():
    room = Room()
    room.give(1, HEARTS)
    room.flush()
    closed = RoomTerms(TERMS.id, TERMS.creator, RoomStatus.CLOSED, 1)
    room.state.change_facts(RoomFacts(closed, "Aria", "aria", "Evening songs", "share-2026-11"))
    kinds = [event["type"] for event in room.flush()]
    assert "room.closed" in kinds
    assert "gift.streak.end" in kinds
    assert room.snapshot()["status"] == "closed"


def test_the_order_of_learning_does_not_matter():
    """A room that read all its gifts from the ledger shows what one shows that saw them live."""
    live, late = Room(), Room()
    gifts = [(1, HEARTS, 2), (2, PANDA, 1), (1, HEARTS, 3), (3, DIAMOND, 1)]
    for fan, gift, count in gifts:
        live.now += timedelta(milliseconds=100)
        live.give(fan, gift, count)
    live.flush()
    rows = [(1, HEARTS, 2, 1, 0), (2, PANDA, 1, 2, 0), (1, HEARTS, 3, 3, 1), (3, DIAMOND, 1, 4, 0)]
    for fan, gift, count, seq, streak_seq in rows:
        late.now += timedelta(milliseconds=100)
        facts = (count, count * gift.coins, 0, late.now, seq, streak_seq)
        late.state.see_gift(CommittedGift(HolderId(fan), f"Fan {fan}", gift, *facts))
    late.flush()
    first, second = live.snapshot(), late.snapshot()
    assert {k: first[k] for k in ("totals", "board", "feed", "streaks")} == {
        k: second[k] for k in ("totals", "board", "feed", "streaks")
    }
