"""The shape of giving and the cast: heavy tail, cheap streaks, names that the product takes."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from largesse.gifting.rules import require_comment, require_title
from largesse.money.ids import HolderId
from largesse.people.rules import HANDLE_MAX, require_display_name, suggest_handle
from largesse.simulator.cast import FANS, HOSTS, OPERATOR, VISITOR, sign_ins
from largesse.simulator.shape import COMMENTS, Act, Offered, choose_act, choose_fan
from largesse.simulator.traffic import Crowd

GIFTS = [
    Offered(1, "hearts", 1, True),
    Offered(4, "panda", 5, True),
    Offered(12, "window-cat", 75, True),
    Offered(18, "birthday-cake", 299, False),
    Offered(21, "drama-queen", 499, False),
    Offered(24, "shiny-diamond", 1_000, False),
    Offered(35, "largesse", 30_000, False),
]
SECRET = "a secret of at least twenty-four bytes"


def acts(number: int) -> list[Act]:
    chance = Random(7)
    return [choose_act(chance, GIFTS) for _ in range(number)]


def test_the_first_fan_brings_a_third() -> None:
    chance = Random(7)
    chosen = Counter(choose_fan(chance, FANS).name for _ in range(20_000))
    name, times = chosen.most_common(1)[0]
    assert name == FANS[0].name
    assert 0.30 < times / 20_000 < 0.38
    assert len(chosen) == len(FANS)


def test_two_acts_in_three_are_streaks_of_something_cheap() -> None:
    many = acts(10_000)
    streaks = [act for act in many if act.pieces > 1]
    assert 0.63 < len(streaks) / len(many) < 0.69
    assert all(act.gift.streakable and act.gift.coins < 100 for act in streaks)
    assert max(act.pieces for act in streaks) == 40


def test_dear_gifts_are_rare_but_come() -> None:
    many = acts(10_000)
    dear = [act for act in many if act.coins >= 1_000 and act.pieces == 1]
    assert 0.01 < len(dear) / len(many) < 0.03


def test_equal_seeds_give_equal_acts() -> None:
    assert acts(50) == acts(50)


def test_a_crowd_is_calm_with_bursts() -> None:
    crowd = Crowd(Random(7), GIFTS)
    pauses = [crowd.next_pause() for _ in range(20_000)]
    assert 1 < len(pauses) / sum(pauses) < 3, "a few acts a second"
    assert max(pauses) < 5
    tenth = min(sum(pauses[i : i + 10]) for i in range(0, len(pauses), 10))
    assert tenth < 2, "ten acts within two seconds, now and then"


def test_a_crowd_talks_and_gives_in_open_rooms_only() -> None:
    crowd = Crowd(Random(7), GIFTS)
    rooms = [HOSTS[0].room, HOSTS[1].room]
    wishes = [crowd.next_wish(rooms) for _ in range(500)]
    assert {wish.room for wish in wishes} == set(rooms)
    assert {(wish.comment is None) != (wish.act is None) for wish in wishes} == {True}
    assert 0.25 < sum(wish.comment is not None for wish in wishes) / 500 < 0.45


def test_everybody_is_somebody_else() -> None:
    people = [*FANS, *(host.player for host in HOSTS), VISITOR, OPERATOR]
    assert len(FANS) == 60
    assert len({one.id for one in people}) == len({one.name for one in people}) == len(people)
    assert len({host.room for host in HOSTS}) == len(HOSTS)


@pytest.mark.parametrize("name", [one.name for one in (*FANS, VISITOR, OPERATOR)])
def test_names_are_names_that_the_product_takes(name: str) -> None:
    assert require_display_name(name) == name
    assert len(suggest_handle(name, HolderId(1))) <= HANDLE_MAX


def test_titles_and_comments_are_taken_as_they_are() -> None:
    for host in HOSTS:
        assert require_title(host.title) == host.title
    for line in COMMENTS:
        assert require_comment(line) == line


def test_sign_ins_belong_to_one_installation() -> None:
    fan, creator, staff = sign_ins(SECRET)
    assert [one.role for one in (fan, creator, staff)] == ["Fan", "Creator", "Staff"]
    assert sign_ins(SECRET) == (fan, creator, staff)
    others = sign_ins(SECRET + "!")
    assert not {one.password for one in others} & {one.password for one in (fan, creator, staff)}
    assert staff.words.endswith(f"?secret={staff.totp_secret}&issuer=largesse")
    assert "otpauth" not in fan.words
