"""Replays on real books: totals, repeats, refusals, and streaks that arrive as they like."""

from __future__ import annotations

import random

import pytest

from largesse.adapters.postgres.reading import balances, platform_balances
from largesse.money.ids import HolderId, id_from_name
from tests.adapters.postgres.ledger_world import COMMITTED
from tests.simulator.replay.recordings import AT, GIFT, HEADER, frame

pytestmark = COMMITTED


def holder(name: str) -> HolderId:
    return HolderId(id_from_name("events", name))


def recharge(number: int, coins: int, **more):
    return {"at": AT, "id": f"r{number}", "type": "recharge", "fan": "ada", "coins": coins} | more


def test_fans_recharge_what_they_need_then_gift(write, run):
    path = write(recharge(1, 3), GIFT | {"count": 2}, GIFT | {"id": "e2", "creator": "noor"})
    report = run(path, "events")
    assert report["coins_gifted"] == 15
    assert report["coins_recharged"] == 3 + 7 + 5
    assert report["per_creator"] == {
        "milo": {"coins": 10, "diamonds": 5},
        "noor": {"coins": 5, "diamonds": 2},
    }
    assert (report["gifts"], report["fans"], report["creators"], report["events"]) == (2, 1, 2, 3)


def test_twice_changes_nothing(write, run):
    lines = [recharge(1, 100), GIFT, GIFT | {"id": "e2", "coins": 300}]
    lines += [{"at": AT, "id": "p", "type": "payout", "creator": "milo"}]
    lines += [{"at": AT, "id": "f", "type": "refund", "fan": "ada", "coins": 40}]
    lines += [recharge(2, 500)]
    first = run(write(*lines), "events")
    books = platform_balances(), balances(holder("ada")), balances(holder("milo"))
    second = run(write(*lines), "events")
    assert (platform_balances(), balances(holder("ada")), balances(holder("milo"))) == books
    assert second["replayed"] >= len(lines)
    same = ("gifts", "coins_gifted", "coins_recharged", "diamonds", "per_creator", "rejected")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}


def test_the_share_sets_the_diamonds_and_rounding_loses_nothing(write, run):
    gifts = [GIFT | {"id": f"g{n}", "coins": 1} for n in range(10)]
    report = run(write(*gifts), "events", share_bp=7500)
    assert report["diamonds"] == 7
    assert balances(holder("milo"))["creator_available", "DIAMOND"] == 7


def test_a_payout_cashes_what_is_available(write, run):
    payout = {"at": AT, "id": "p1", "type": "payout", "creator": "milo", "diamonds": 100}
    report = run(write(GIFT | {"coins": 1000}, payout, payout | {"id": "p2"}), "events")
    assert report["rejected"] == 0
    assert balances(holder("milo"))["creator_available", "DIAMOND"] == 300
    assert platform_balances()["diamond_cashed", "DIAMOND"] == 200


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (GIFT | {"id": "x", "creator": "ada"}, "self_gift"),
        (GIFT | {"coins": 6}, "idempotency_key_reused"),
        ({"at": AT, "id": "x", "type": "payout", "creator": "milo"}, "insufficient_balance"),
        ({"at": AT, "id": "x", "type": "refund", "fan": "ada", "coins": 9}, "refund_too_large"),
    ],
)
def test_what_the_rules_refuse_is_counted_and_posts_nothing(write, run, line, code):
    first = GIFT | {"coins": 1} if line.get("type") == "payout" else GIFT
    run(write(first), "events")
    books = platform_balances()
    report = run(write(first, line), "events")
    assert report["rejected_by_reason"] == {code: 1}
    assert platform_balances() == books


def test_another_body_under_a_key_of_an_earlier_run_is_refused(write, run):
    run(write(recharge(1, 100), GIFT), "events")
    report = run(write(recharge(1, 200), GIFT | {"coins": 7}), "events")
    assert report["rejected"] == 2
    assert platform_balances()["redeemed", "COIN"] == 5


def test_a_refund_of_spent_coins_becomes_debt_that_the_next_recharge_repays(write, run):
    lines = [recharge(1, 10), GIFT]
    lines += [{"at": AT, "id": "f", "type": "refund", "fan": "ada", "coins": 8}]
    run(write(*lines), "events")
    assert balances(holder("ada")) == {
        ("fan_paid", "COIN"): 0,
        ("fan_bonus", "COIN"): 0,
        ("fan_debt", "COIN"): -3,
    }
    run(write(*lines, recharge(2, 10)), "events")
    assert balances(holder("ada"))["fan_paid", "COIN"] == 7
    assert balances(holder("ada"))["fan_debt", "COIN"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_streak_frames_in_any_order_charge_the_highest_count(write, run, seed):
    order = random.Random(seed)
    frames = [frame(msg_id=str(n), repeat_count=n) for n in range(1, 18) if n not in (5, 6, 7)]
    order.shuffle(frames)
    frames += [frame(msg_id="3", repeat_count=3)]
    frames += [frame(msg_id="80", gift_type=2, group_id="", diamond_count=100, user="bo")]
    report = run(write(*frames), "tiktok")
    assert report["coins_gifted"] == 17 + 100
    assert report["streaks"] == 2


def test_donations_without_a_creator_go_to_the_house(write, run):
    rows = ["m,2011-01-05T16:22:47,anon,,150,True", "m,2011-01-05T16:22:47,anon,,150,True"]
    report = run(write(HEADER, *rows), "donations")
    assert report["coins_gifted"] == 300
    assert report["fans"] == 2
    assert report["per_creator"] == {"house": {"coins": 300, "diamonds": 150}}
