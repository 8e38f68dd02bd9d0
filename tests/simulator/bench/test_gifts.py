"""The load: keys as clients make them, and the shapes that it promises."""

from __future__ import annotations

from collections import Counter

import pytest

from largesse.money.ids import HolderId, fan_bucket
from largesse.simulator.bench.gifts import (
    CREATORS,
    FANS,
    FEW_CREATORS,
    FIRST_CREATOR,
    FIRST_FAN,
    QUIET_FAN,
    GiftMaker,
    Shape,
)


@pytest.mark.parametrize("shape", Shape)
def test_keys_are_new_and_ascend_in_time(shape):
    maker = GiftMaker(7)
    ids = [gift.id for _ in range(3) for gift in maker.make(shape, 1_234)]
    assert len(set(ids)) == 3 * 1_234
    assert {one.version for one in ids} == {7}
    times = [one.int >> 80 for one in ids]
    assert times == sorted(times)


def test_a_gift_is_dated_by_its_key():
    for gift in GiftMaker(1).make(Shape.UNIFORM, 120):
        assert int(gift.at.timestamp() * 1000) == pytest.approx(gift.id.int >> 80, abs=1)


def test_every_bucket_has_as_many_fans():
    buckets = Counter(fan_bucket(HolderId(fan)) for fan in range(FIRST_FAN, FIRST_FAN + FANS))
    assert set(buckets.values()) == {FANS // 64}


def test_nobody_gives_to_themselves():
    assert FIRST_FAN + FANS == QUIET_FAN < FIRST_CREATOR


def test_shapes_reach_the_creators_that_they_promise():
    found = {
        shape: Counter(gift.creator for gift in GiftMaker(3).make(shape, 20_000)) for shape in Shape
    }
    assert set(found[Shape.HOT]) == {FIRST_CREATOR}
    assert len(found[Shape.UNIFORM]) == CREATORS
    few = sum(found[Shape.PARETO][HolderId(FIRST_CREATOR + n)] for n in range(FEW_CREATORS))
    assert 0.78 < few / 20_000 < 0.83


def test_the_same_seed_gives_the_same_load():
    first, second = (
        [(gift.fan, gift.creator) for gift in GiftMaker(5).make(Shape.PARETO, 500)]
        for _ in range(2)
    )
    assert first == second
