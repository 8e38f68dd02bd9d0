"""Rounds on real books: what is counted is what was posted, and a wrong count is noticed."""

from __future__ import annotations

import pytest

from largesse.adapters.postgres.checks import run_checks
from largesse.money.ids import HolderId
from largesse.simulator.bench import ledgers
from largesse.simulator.bench.engine import Engine, Round, load_cost, percentiles_ms
from largesse.simulator.bench.gifts import FANS, FIRST_FAN, GiftMaker, Shape
from tests.adapters.postgres.ledger_world import COMMITTED, database_url, empty_ledger, rows

pytestmark = COMMITTED

EVERY_FAN = [HolderId(fan) for fan in range(FIRST_FAN, FIRST_FAN + FANS)]


@pytest.fixture
def engine():
    empty_ledger()
    with Engine(database_url(), seed=11) as opened:
        yield opened
    empty_ledger()


@pytest.mark.parametrize("senders", [1, 300])
def test_a_round_counts_what_the_books_hold(engine, senders):
    engine.recharge(EVERY_FAN)
    found = engine.round(Shape.PARETO, senders, 0.1)
    assert found.gifts == len(found.latencies) >= senders
    assert max(found.latencies) <= found.seconds
    ledgers.check_coins(database_url(), engine.given)
    assert rows("SELECT count(*) FROM ledger_gift") == [(found.gifts,)]


def test_a_round_ends_with_the_gifts_that_were_made(engine):
    engine.recharge(EVERY_FAN)
    gifts = GiftMaker(2).make(Shape.HOT, 50)
    found = engine.give(gifts, 8, 60)
    assert found.gifts == 50
    assert rows("SELECT count(DISTINCT id) FROM ledger_gift") == [(50,)]


def test_a_refused_gift_ends_the_benchmark(engine):
    with pytest.raises(RuntimeError, match="insufficient"):
        engine.round(Shape.UNIFORM, 4, 0.1)


def test_a_wrong_count_is_no_report(engine):
    engine.recharge(EVERY_FAN)
    engine.round(Shape.UNIFORM, 4, 0.05)
    with pytest.raises(ledgers.BooksDisagree, match="were counted, but the books hold"):
        ledgers.check_coins(database_url(), engine.given + 1)


def test_a_preloaded_ledger_holds_every_invariant(engine):
    engine.recharge(EVERY_FAN)
    told: list[int] = []
    for start, stop in ((0, 3_000), (3_000, 9_000)):
        ledgers.preload(database_url(), start, stop, history=9_000, advance=told.append)
    assert sum(told) == 9_000
    ledgers.check_coins(database_url(), 9_000)
    assert run_checks() == []
    spread = (
        "SELECT count(DISTINCT creator) > 1000, count(DISTINCT bucket), bool_and(fan <> creator)"
    )
    assert rows(f"{spread} FROM ledger_gift") == [(True, 64, True)]
    engine.round(Shape.UNIFORM, 100, 0.1)
    assert run_checks() == []


def test_bytes_are_those_of_table_and_indexes(engine):
    engine.recharge(EVERY_FAN)
    ledgers.preload(database_url(), 0, 20_000, history=20_000, advance=lambda _: None)
    weight = ledgers.weigh(database_url())
    assert weight.gifts == 20_000
    [(total,)] = rows("SELECT pg_total_relation_size('ledger_gift')")
    assert weight.table + weight.indexes == total
    assert weight.bytes_per_gift == round(total / 20_000)


def test_the_load_by_itself_costs_microseconds():
    assert 0 < load_cost(64, gifts=2_000) < 0.001


def test_rates_and_percentiles():
    found = Round(200, 4.0, [0.001 * (n + 1) for n in range(200)])
    assert found.rate == 50
    p50, p99 = percentiles_ms(found.latencies)
    assert 99 < p50 < 102
    assert 197 < p99 < 200
    assert percentiles_ms([0.25]) == (250, 250)
