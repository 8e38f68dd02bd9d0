"""What an order, a comment and a pace refuse, a row per outcome."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.gifting import errors
from largesse.gifting.rules import (
    COMMENT_MAX,
    MAX_COUNT,
    GiftType,
    Pace,
    RoomStatus,
    RoomTerms,
    gift_public_id,
    parse_gift_id,
    price_order,
    require_comment,
    require_title,
    streak_public_id,
)
from largesse.money.errors import DomainError
from largesse.money.ids import BadId, HolderId, RoomId, public_id

FAN, CREATOR = HolderId(64), HolderId(7)
OPEN = RoomTerms(RoomId(1), CREATOR, RoomStatus.OPEN, 1)
CLOSED = RoomTerms(RoomId(1), CREATOR, RoomStatus.CLOSED, 1)
HEARTS = GiftType(1, "hearts", "Hearts", 3, streakable=True, retired=False, alt="Hearts rise")
DIAMOND = GiftType(2, "diamond", "Diamond", 1000, streakable=False, retired=False, alt="It shines")
GONE = GiftType(3, "gone", "Gone", 5, streakable=True, retired=True, alt="It was")
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def price(fan=FAN, room=OPEN, gift=HEARTS, count: object = 1) -> int:
    return price_order(fan=fan, room=room, gift=gift, count=count)


@pytest.mark.parametrize(
    ("gift", "count", "coins"),
    [(HEARTS, 1, 3), (HEARTS, 7, 21), (HEARTS, MAX_COUNT, 3 * MAX_COUNT), (DIAMOND, 1, 1000)],
)
def test_a_good_order_costs_its_pieces(gift, count, coins):
    assert price(gift=gift, count=count) == coins


@pytest.mark.parametrize(
    ("refused", "order"),
    [
        (errors.RoomClosed, {"room": CLOSED}),
        (errors.SelfGift, {"fan": CREATOR}),
        (errors.GiftRetired, {"gift": GONE}),
        (errors.BadCount, {"count": 0}),
        (errors.BadCount, {"count": -1}),
        (errors.BadCount, {"count": MAX_COUNT + 1}),
        (errors.BadCount, {"count": 10**40}),
        (errors.BadCount, {"count": True}),
        (errors.BadCount, {"count": 1.0}),
        (errors.BadCount, {"count": float("nan")}),
        (errors.BadCount, {"count": "1"}),
        (errors.BadCount, {"count": None}),
        (errors.BadCount, {"count": [1]}),
        (errors.BadCount, {"gift": DIAMOND, "count": 2}),
        # Precedence: a closed room says so, whatever else is wrong.
        (errors.RoomClosed, {"room": CLOSED, "fan": CREATOR, "gift": GONE, "count": 0}),
        (errors.SelfGift, {"fan": CREATOR, "gift": GONE, "count": 0}),
        (errors.GiftRetired, {"gift": GONE, "count": 0}),
    ],
)
def test_a_bad_order_is_refused(refused, order):
    with pytest.raises(refused) as raised:
        price(**order)
    assert raised.value.retry_helps is False


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello", "hello"),
        ("  two \n lines\t", "two lines"),
        ("e\u0301", "\u00e9"),
        (
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        ),
        ("שלום מינה", "שלום מינה"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("x" * COMMENT_MAX, "x" * COMMENT_MAX),
    ],
)
def test_a_comment_is_shown_as_typed(text, shown):
    assert require_comment(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "x" * (COMMENT_MAX + 1),
        "x" * 100_000,
        "abc\u202egnp.exe",  # right-to-left override
        "a\u2066b",  # isolate without end
        "a\u200eb",
        "a\u200bb",
        "a\u0000b",
        "a\x1b[31mb",
        "\ue000",
        "\U000e0041\U000e0042",
        "a" + "\u0300" * 40,
        None,
        7,
        ["text"],
    ],
)
def test_a_comment_that_hides_or_turns_text_is_refused(text):
    with pytest.raises(errors.BadComment):
        require_comment(text)


def test_a_title_has_its_own_code():
    assert require_title(" Evening  songs ") == "Evening songs"
    with pytest.raises(errors.BadTitle):
        require_title("\u202e")


def test_pace_lets_a_burst_through_and_then_one_an_interval():
    pace = Pace(burst=3, interval=timedelta(seconds=2))
    for _ in range(3):
        pace.admit("mina", NOW)
    with pytest.raises(errors.TooFast) as raised:
        pace.admit("mina", NOW)
    assert raised.value.data["retry_after_seconds"] == 2
    pace.admit("somebody else", NOW)
    pace.admit("mina", NOW + timedelta(seconds=2))
    with pytest.raises(errors.TooFast):
        pace.admit("mina", NOW + timedelta(seconds=3))


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=60))
def test_pace_never_admits_more_than_burst_and_rate(pauses_ms):
    pace, interval, burst = None, timedelta(seconds=1), 4
    pace = Pace(burst=burst, interval=interval)
    at, admitted = NOW, []
    for pause in pauses_ms:
        at += timedelta(milliseconds=pause)
        try:
            pace.admit("mina", at)
        except errors.TooFast:
            continue
        admitted.append(at)
    for first in admitted:
        window = [one for one in admitted if first <= one < first + 5 * interval]
        assert len(window) <= burst + 5


def test_pace_forgets_those_whose_allowance_is_full():
    pace = Pace(burst=1, interval=timedelta(seconds=1), remembered=2)
    pace.admit("a", NOW)
    pace.admit("b", NOW)
    pace.admit("c", NOW + timedelta(seconds=5))
    assert list(pace._full_at) == ["c"]


@given(st.integers(1, 2**63 - 1), st.integers(1, 2**56 - 1))
def test_a_gift_id_says_where_the_gift_stands(fan, seq):
    assert parse_gift_id(gift_public_id(HolderId(fan), seq)) == (fan & 63, seq)
    assert streak_public_id(HolderId(fan), seq).startswith("st_")


@pytest.mark.parametrize("text", ["gft_", "st_0000000000001", public_id("gft", 1 << 62), "x"])
def test_what_is_no_gift_id_is_refused(text):
    with pytest.raises(BadId):
        parse_gift_id(text)


def test_every_refusal_has_a_code_of_its_own():
    refusals = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, DomainError)
    ]
    codes = [one.code for one in refusals]
    assert len(set(codes)) == len(codes) > 10
