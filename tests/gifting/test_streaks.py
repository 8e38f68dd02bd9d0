"""Streaks: a table of what ends them, and properties of what they charge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.gifting.streaks import STREAK_PAUSE, ClosedBy, StreakBook, Tap
from largesse.money.ids import HolderId, RoomId

MINA, NOA = HolderId(1), HolderId(2)
ROOM, OTHER_ROOM = RoomId(10), RoomId(11)
HEARTS, PANDA = 1, 2
T0 = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def at(ms: int) -> datetime:
    return T0 + timedelta(milliseconds=ms)


class Posting:
    """Taps and posts in one step, as a book that accepts everything would."""

    def __init__(self) -> None:
        self.book = StreakBook()
        self.seq = 0

    def tap(self, ms: int, *, fan=MINA, room=ROOM, gift=HEARTS, count=1):
        tap = self.book.tap(fan, room, gift, at(ms), count=count)
        self.seq += 1
        self.book.confirm(tap, self.seq)
        return tap.streak

    def ends(self) -> list[tuple[int, int, ClosedBy]]:
        return [(e.streak.number, e.streak.total, e.closed_by) for e in self.book.take_ends()]


def test_taps_within_the_pause_are_one_streak():
    posting = Posting()
    first = posting.tap(0)
    assert posting.tap(2_999) is first
    assert posting.tap(5_998, count=5) is first
    assert (first.total, first.first_seq) == (7, 1)
    assert posting.ends() == []


def test_a_tap_after_the_pause_opens_a_new_streak():
    posting = Posting()
    first, second = posting.tap(0), posting.tap(3_000)
    assert first is not second
    assert posting.ends() == [(first.number, 1, ClosedBy.TIMEOUT)]


def test_another_gift_ends_the_streak_and_another_fan_or_room_does_not():
    posting = Posting()
    hearts = posting.tap(0)
    posting.tap(10, fan=NOA, gift=PANDA)
    posting.tap(20, room=OTHER_ROOM, gift=PANDA)
    assert posting.ends() == []
    posting.tap(30, gift=PANDA)
    assert posting.ends() == [(hearts.number, 1, ClosedBy.OTHER_GIFT)]


def test_a_gift_without_streaks_interrupts():
    posting = Posting()
    hearts = posting.tap(0)
    posting.book.interrupt(MINA, ROOM)
    assert posting.ends() == [(hearts.number, 1, ClosedBy.OTHER_GIFT)]


def test_time_ends_streaks_without_another_tap():
    posting = Posting()
    first = posting.tap(0)
    posting.book.close_due(at(2_999))
    assert posting.ends() == []
    posting.book.close_due(T0 + STREAK_PAUSE)
    assert posting.ends() == [(first.number, 1, ClosedBy.TIMEOUT)]
    posting.book.close_due(at(60_000))
    assert posting.ends() == []
    assert not posting.book.has_any


def test_closing_a_room_ends_its_streaks_only():
    posting = Posting()
    here, there = posting.tap(0), posting.tap(0, room=OTHER_ROOM)
    posting.book.close_room(ROOM)
    assert posting.ends() == [(here.number, 1, ClosedBy.ROOM_CLOSED)]
    assert posting.book.open_streaks(OTHER_ROOM) == [there]


def test_a_streak_with_a_tap_in_flight_waits_for_it():
    book = StreakBook()
    tap = book.tap(MINA, ROOM, HEARTS, T0)
    assert book.is_opening(MINA, ROOM, HEARTS)
    assert not book.is_opening(MINA, ROOM, PANDA)
    book.close_due(at(60_000))
    assert book.take_ends() == []
    book.confirm(tap, 5)
    assert not book.is_opening(MINA, ROOM, HEARTS)
    book.close_due(at(60_000))
    assert [end.streak.total for end in book.take_ends()] == [1]


def test_an_end_while_a_tap_is_in_flight_comes_after_it_and_shows_until_then():
    book = StreakBook()
    book.confirm(book.tap(MINA, ROOM, HEARTS, T0), 1)
    late = book.tap(MINA, ROOM, HEARTS, at(10))
    book.confirm(book.tap(MINA, ROOM, PANDA, at(20)), 2)
    assert book.take_ends() == []
    assert [s.gift for s in book.open_streaks(ROOM)] == [HEARTS, PANDA]
    book.confirm(late, 3)
    assert [(e.streak.total, e.closed_by) for e in book.take_ends()] == [(2, ClosedBy.OTHER_GIFT)]
    assert [s.gift for s in book.open_streaks(ROOM)] == [PANDA]


def test_a_streak_that_charged_nothing_leaves_no_trace():
    book = StreakBook()
    tap = book.tap(MINA, ROOM, HEARTS, T0)
    book.refuse(tap)
    book.close_due(at(60_000))
    assert book.take_ends() == []
    assert not book.has_any


def test_after_a_refused_opening_the_next_tap_opens():
    book = StreakBook()
    book.refuse(book.tap(MINA, ROOM, HEARTS, T0))
    tap = book.tap(MINA, ROOM, HEARTS, at(5))
    assert tap.streak_seq == 0
    book.confirm(tap, 9)
    assert book.tap(MINA, ROOM, HEARTS, at(6)).streak_seq == 9


def test_gifts_of_another_process_join_their_streak():
    book = StreakBook()
    first = book.observe(MINA, ROOM, HEARTS, T0, count=2, seq=4, streak_seq=0)
    assert book.observe(MINA, ROOM, HEARTS, at(9), count=3, seq=6, streak_seq=4) is first
    assert first.total == 5
    assert book.tap(MINA, ROOM, HEARTS, at(10)).streak is first


def test_an_opening_that_the_ledger_showed_first_is_counted_once():
    book = StreakBook()
    tap = book.tap(MINA, ROOM, HEARTS, T0)
    seen = book.observe(MINA, ROOM, HEARTS, T0, count=1, seq=4, streak_seq=0)
    book.refuse(tap)
    assert seen is tap.streak
    assert (seen.total, seen.first_seq, seen.in_flight) == (1, 4, 0)


def test_a_restored_streak_goes_on():
    book = StreakBook()
    book.restore(MINA, ROOM, HEARTS, first_seq=3, total=7, opened_at=T0, last_at=at(100))
    tap = book.tap(MINA, ROOM, HEARTS, at(200))
    book.confirm(tap, 12)
    assert (tap.streak.first_seq, tap.streak.total) == (3, 8)


# -- Cumulative frames --------------------------------------------------------------------------


def frames_charge(totals, *, refused=frozenset(), end_at=None) -> int:
    """Feed frames of one streak in this order; returns the pieces that were charged."""
    book, charged = StreakBook(), 0
    for index, total in enumerate(totals):
        tap = book.frame(
            MINA, ROOM, HEARTS, at(index * 400), source="s", total=total, end=index == end_at
        )
        if tap.charge and index in refused:
            book.refuse(tap)
        elif tap.charge:
            book.confirm(tap, index + 1)
            charged += tap.charge
    return charged


@pytest.mark.parametrize(
    ("totals", "charged"),
    [
        ([1], 1),
        ([1, 2, 3], 3),
        ([13, 15, 14, 17, 16], 17),
        ([5, 7], 7),
        ([3, 3, 3], 3),
        ([9, 1, 2], 9),
        ([0], 0),
    ],
)
def test_frames_charge_their_maximum(totals, charged):
    assert frames_charge(totals) == charged


@given(
    st.integers(1, 60).flatmap(
        lambda n: st.lists(st.integers(1, n), min_size=1, max_size=120).map(lambda f: (n, f))
    ),
    st.randoms(use_true_random=False),
)
def test_any_order_loss_or_repeat_charges_exactly_the_maximum(drawn, random):
    _, frames = drawn
    shuffled = frames + random.choices(frames, k=len(frames) // 2)
    random.shuffle(shuffled)
    end_at = random.randrange(len(shuffled))
    assert frames_charge(shuffled) == max(shuffled)
    assert frames_charge(shuffled, end_at=end_at) == max(shuffled)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.sets(st.integers(0, 39)))
def test_a_refused_frame_is_made_good_by_a_later_one(frames, refused):
    last = [*frames, max(frames)]
    assert frames_charge(last, refused=refused - {len(frames)}) == max(frames)


def test_a_late_frame_charges_what_is_missing_and_reopens_its_streak():
    book = StreakBook()
    first = book.frame(MINA, ROOM, HEARTS, T0, source="s", total=2, end=True)
    book.confirm(first, 1)
    assert [e.closed_by for e in book.take_ends()] == [ClosedBy.END_FRAME]
    assert book.frame(MINA, ROOM, HEARTS, at(50), source="s", total=1).charge == 0
    assert book.take_ends() == []
    late = book.frame(MINA, ROOM, HEARTS, at(60), source="s", total=5)
    assert (late.charge, late.streak) == (3, first.streak)
    book.confirm(late, 2)
    book.close_due(at(10_000))
    assert [e.streak.total for e in book.take_ends()] == [5]


def test_sources_are_forgotten_in_the_end():
    book = StreakBook()
    book.confirm(book.frame(MINA, ROOM, HEARTS, T0, source="s", total=2), 1)
    book.close_due(at(11 * 60_000))
    assert not book._sources


# -- Random histories ---------------------------------------------------------------------------

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["tap", "close_due", "interrupt", "close_room"]),
        st.sampled_from([MINA, NOA]),
        st.sampled_from([HEARTS, PANDA]),
        st.integers(1, 9),
        st.integers(0, 4_000),
        st.booleans(),
    ),
    max_size=60,
)


@given(ACTIONS, st.randoms(use_true_random=False))
def test_every_charged_piece_ends_in_exactly_one_streak(actions, random):
    book, now, charged, seq = StreakBook(), T0, 0, 0
    in_flight: list[Tap] = []
    ended: list[int] = []

    def settle(accept: bool) -> None:
        nonlocal charged, seq
        tap = in_flight.pop(random.randrange(len(in_flight)))
        if accept:
            seq += 1
            charged += tap.charge
            book.confirm(tap, seq)
        else:
            book.refuse(tap)

    for name, fan, gift, count, pause, accept in actions:
        now += timedelta(milliseconds=pause)
        if name == "tap" and not book.is_opening(fan, ROOM, gift):
            in_flight.append(book.tap(fan, ROOM, gift, now, count=count))
        elif name == "close_due":
            book.close_due(now)
        elif name == "interrupt":
            book.interrupt(fan, ROOM)
        elif name == "close_room":
            book.close_room(ROOM)
        if in_flight and random.random() < 0.6:
            settle(accept)
        ended += [end.streak.total for end in book.take_ends()]
    while in_flight:
        settle(True)
    book.close_due(now + timedelta(hours=1))
    ended += [end.streak.total for end in book.take_ends()]
    assert sum(ended) == charged
    assert all(ended)
    assert not book.has_any
