"""`largesse explain`: how an account is named, what is printed, and a broken chain exits with 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction
from psycopg.conninfo import conninfo_to_dict

from largesse.adapters.postgres.book import DjangoBook
from largesse.ledger.accounts import ACCOUNTS
from largesse.ledger.lots import SpendOrder
from largesse.money.ids import HolderId, creator_bucket, fan_bucket, id_from_name, public_id
from largesse.people.services import HolderRow, import_holders
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    DjangoDriver,
    database_url,
    empty_ledger,
    known_policies,
    recharge,
    rows,
)
from tests.commands.conftest import Largesse
from tests.finance.export_world import ANN, BEN, CREATOR, tell_story

pytestmark = [COMMITTED, pytest.mark.usefixtures("story", "on_tests_database")]
IMPORTED = HolderId(id_from_name("donations", "Team: Blue/White"))
IDLE = HolderId(4_000)


@pytest.fixture
def story(transactional_db: None) -> Iterator[None]:
    empty_ledger()
    people = [
        HolderRow(ANN, "ann", "Ann [b]", False),
        HolderRow(BEN, "ben", "Ben", False),
        HolderRow(CREATOR, "cleo", "Cleo", True),
        HolderRow(IMPORTED, "team-blue-1", "Team: Blue/White", False),
        HolderRow(IDLE, "idle", "Idle", False),
    ]
    import_holders(people, START)
    with known_policies():
        tell_story(DjangoDriver())
        DjangoDriver().post([recharge("imported", IMPORTED, 10)])
        yield
    empty_ledger()
    rows("DELETE FROM people_holder")


def explained(largesse: Largesse, *arguments: str) -> list[dict[str, Any]]:
    answer = largesse("explain", *arguments, "--json")
    assert answer.code == 0, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)["accounts"]
    return found


def places(found: list[dict[str, Any]]) -> list[tuple[str, str, object, object]]:
    return [(one["account"], one["asset"], one["holder"], one["bucket"]) for one in found]


ANN_ID, CLEO_ID = public_id("usr", ANN), public_id("usr", CREATOR)
CLEOS = creator_bucket(CREATOR)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["ann", "ANN", ANN_ID],
            [
                ("fan_paid", "COIN", ANN_ID, fan_bucket(ANN)),
                ("fan_bonus", "COIN", ANN_ID, fan_bucket(ANN)),
            ],
        ),
        (
            ["ann:fan_paid", "fan_paid:ann", f"{ANN_ID}:fan_paid", f"fan_paid:{ANN_ID}"],
            [("fan_paid", "COIN", ANN_ID, fan_bucket(ANN))],
        ),
        (
            [f"creator_available:{CLEO_ID}", "cleo:creator_available"],
            [("creator_available", "DIAMOND", CLEO_ID, CLEOS)],
        ),
        (
            ["Team: Blue/White", "Team: Blue/White:fan_paid", "fan_paid:Team: Blue/White"],
            [("fan_paid", "COIN", public_id("usr", IMPORTED), fan_bucket(IMPORTED))],
        ),
        (
            ["deferred_revenue"],
            [("deferred_revenue", code, None, None) for code in ("EUR", "JPY", "KWD", "USD")],
        ),
        (["deferred_revenue/USD"], [("deferred_revenue", "USD", None, None)]),
        (["deferred_revenue/USD@6"], [("deferred_revenue", "USD", None, 6)]),
        (["deferred_revenue@6"], [("deferred_revenue", "USD", None, 6)]),
        (["gift_clearing", "gift_clearing/COIN"], [("gift_clearing", "COIN", None, None)]),
        (["gift_clearing@7"], [("gift_clearing", "COIN", None, 7)]),
        (["idle:fan_debt"], [("fan_debt", "COIN", public_id("usr", IDLE), fan_bucket(IDLE))]),
        (["idle", "bank/CHF@3"], None),
    ],
)
def test_an_account_is_named_in_many_ways(
    words: list[str], expected: list[tuple[str, str, object, object]] | None, largesse: Largesse
) -> None:
    for word in words:
        found = explained(largesse, word)
        if expected is None:
            assert all(one["chain"] == [] for one in found)
        else:
            assert places(found) == expected, word


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("nobody", 1, "Nobody is known as 'nobody'"),
        ("nobody:fan_paid", 1, "Nobody is known as 'nobody'"),
        ("usr_zzz", 1, "is not an id of the form usr_"),
        ("fan_paid", 1, "name one, as in HOLDER:fan_paid"),
        ("deferred_revenue/XYZ", 1, "'XYZ' is not an asset"),
        ("deferred_revenue/COIN", 1, "deferred_revenue does not hold COIN"),
        ("issued/USD", 1, "issued does not hold USD"),
        ("deferred_revenue/", 1, "'' is not an asset"),
        ("deferred_revenue/USD@128", 1, "There is no bucket '128'"),
        ("issued@", 1, "There is no bucket ''"),
        ("issued@²", 1, "There is no bucket '²'"),
    ],
)
def test_what_is_no_account_is_refused_with_a_sentence(
    word: str, code: int, said: str, largesse: Largesse
) -> None:
    answer = largesse("explain", word)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err


def test_every_account_is_explained_from_zero_to_what_is_stored(largesse: Largesse) -> None:
    platform = [code for code, account in ACCOUNTS.items() if not account.personal]
    for word in ("ann", "ben", "cleo", *platform):
        for one in explained(largesse, word):
            balance = 0
            assert one["before"] == {"journals": 0, "balance": 0}
            for link in one["chain"]:
                balance += link["change"]
                assert link["balance_after"] == balance
                assert link["sentence"].endswith(".")
            assert one["ok"] is True
            assert balance == one["ends_at"] == one["stored"]


def test_a_limit_says_what_came_before(largesse: Largesse) -> None:
    [whole] = explained(largesse, "ben:fan_paid")
    [short] = explained(largesse, "ben:fan_paid", "--limit", "2")
    assert short["chain"] == whole["chain"][-2:]
    left = whole["chain"][:-2]
    assert short["before"] == {"journals": len(left), "balance": left[-1]["balance_after"]}
    assert short["ok"] is True
    text = largesse("explain", "ben:fan_paid", "--limit", "2").out
    assert f"Before that: {len(left)} journals, balance " in text
    assert largesse("explain", "ben:fan_paid", "--limit", "0").code == 2


def test_people_read_a_chain(largesse: Largesse) -> None:
    answer = largesse("explain", "ann", "--zone", "Asia/Tokyo")
    assert answer.code == 0
    assert f"Paid coins, Ann [b] (ann, {ANN_ID}): 500 coins fan_paid" in answer.out
    assert "  Starts at 0 coins.\n  2026-11-22 17:00:00 JST  +500 coins, then 500 coins" in (
        answer.out
    )
    assert "    Bought 500 coins for 4.99 USD with recharge rch_ann.\n" in answer.out
    assert "    Gave a gift to Cleo for 7 coins under share policy " in answer.out
    assert answer.out.count("Ends at the stored balance") == 2


def test_a_reference_that_a_stranger_chose_stays_on_its_line(largesse: Largesse) -> None:
    out = largesse("explain", "issued@8").out
    assert "2026-01-01 * nothing" in out
    assert not [line for line in out.splitlines() if line.startswith("2026-01-01")]


def test_people_are_told_what_stands_below_zero(largesse: Largesse) -> None:
    bank = largesse("explain", "bank/USD").out
    assert "Money in the bank, the platform: −4.78 USD bank" in bank
    assert "Below zero stands what the platform owns, has spent or has issued." in bank


def test_somebody_without_coins_hears_so(largesse: Largesse) -> None:
    out = largesse("explain", "idle").out
    assert out == (f"Nothing has ever moved an account of Idle (idle, {public_id('usr', IDLE)}).\n")
    assert "Paid coins, Idle" in largesse("explain", "idle:fan_paid").out


@pytest.mark.parametrize("limit", [[], ["--limit", "1"]])
def test_a_chain_that_does_not_end_at_the_stored_balance_exits_with_1(
    limit: list[str], largesse: Largesse
) -> None:
    rows("UPDATE ledger_account SET balance = balance + 7 WHERE code = 'bank' AND asset = 'USD'")
    answer = largesse("explain", "bank", *limit)
    assert answer.code == 1
    assert "is stored." in answer.out
    assert "bank/USD: the journals do not add up to the stored balance" in answer.err
    answer = largesse("explain", "bank/USD", "--json", *limit)
    assert answer.code == 1
    [one] = json.loads(answer.out)["accounts"]
    assert one["ok"] is False
    assert one["stored"] != one["ends_at"]


def test_a_shell_needs_nothing_else() -> None:
    """In a process of its own, where nobody has loaded Django before."""
    command = [sys.executable, "-m", "largesse.cli", "explain", "bank", "--json"]
    known = conninfo_to_dict(database_url())
    address = f"postgresql:///{known.pop('dbname')}?{urlencode(known)}"
    environment = os.environ | {"DATABASE_URL": address}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [one["stored"] for one in json.loads(done.stdout)["accounts"]] == [-478]


def test_a_zone_that_is_none_is_wrong_usage(largesse: Largesse) -> None:
    for zone in ("Nowhere", "../etc/passwd", ""):
        answer = largesse("explain", "ann", "--zone", zone)
        assert answer.code == 2
        assert "is no time zone" in answer.err


def test_a_fans_spend_order_is_said(largesse: Largesse) -> None:
    assert "Gifts take bonus coins first" in largesse("explain", "ann").out
    with transaction.atomic():
        DjangoBook().spend_in_order(ANN, SpendOrder.PAID_FIRST)
    assert "Gifts take paid coins first" in largesse("explain", "ann:fan_paid").out
    assert json.loads(largesse("explain", "ann", "--json").out)["spend_order"] == "paid_first"
    assert "Gifts take" not in largesse("explain", "cleo:creator_pending").out
    assert "spend_order" not in json.loads(largesse("explain", "bank/USD", "--json").out)
