"""`largesse accounts`, `statement`: stored balances, and every entry with the balance after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest

from largesse.ledger.accounts import ACCOUNTS
from largesse.money.ids import HolderId, id_from_name, public_id
from largesse.people.services import HolderRow, import_holders
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    DjangoDriver,
    empty_ledger,
    known_policies,
    recharge,
    rows,
)
from tests.commands.conftest import Largesse
from tests.finance.export_world import ANN, BEN, CREATOR, tell_story

pytestmark = [COMMITTED, pytest.mark.usefixtures("story", "on_tests_database")]
IMPORTED = HolderId(id_from_name("donations", "Some Donor"))


@pytest.fixture
def story(transactional_db: None) -> Iterator[None]:
    empty_ledger()
    people = [
        HolderRow(ANN, "ann", "Ann [b]", False),
        HolderRow(BEN, "ben", "Ben", False),
        HolderRow(CREATOR, "cleo", "Cleo", True),
        HolderRow(IMPORTED, "some-donor-1", "Some Donor", False),
    ]
    import_holders(people, START)
    with known_policies():
        tell_story(DjangoDriver())
        DjangoDriver().post([recharge("imported", IMPORTED, 10)])
        yield
    empty_ledger()
    rows("DELETE FROM people_holder")


def test_the_chart_shows_every_account(largesse: Largesse) -> None:
    answer = largesse("accounts", "--json")
    found = json.loads(answer.out)["accounts"]
    assert answer.code == 0
    assert {row["account"] for row in found} == set(ACCOUNTS)
    by_name = {(row["account"], row["asset"]): row for row in found}
    assert by_name["bank", "USD"]["balance"] == -499 + 21
    assert by_name["fan_paid", "COIN"]["holders"] == 5
    for asset in ("COIN", "DIAMOND", "USD", "JPY", "KWD", "EUR"):
        assert sum(row["balance"] for row in found if row["asset"] == asset) == 0, asset


def test_everybodys_accounts_carry_ids_and_names(largesse: Largesse) -> None:
    found = json.loads(largesse("accounts", "--all", "--json").out)["accounts"]
    ann = [row for row in found if row.get("holder") == public_id("usr", ANN)]
    assert {row["account"] for row in ann} == {"fan_paid", "fan_bonus"}
    assert {row["name"] for row in ann} == {"Ann [b]"}


def test_a_holders_accounts_are_theirs(largesse: Largesse) -> None:
    found = json.loads(largesse("accounts", "--holder", "cleo", "--json").out)["accounts"]
    assert {row["account"] for row in found} == {
        "creator_pending",
        "creator_available",
        "creator_held",
    }


def test_accounts_for_people_are_a_table(largesse: Largesse) -> None:
    answer = largesse("accounts", "--holder", "ann")
    assert "Ann [b] (usr_" in answer.out
    assert "fan_paid" in answer.out


@pytest.mark.parametrize("word", ["ann", "ANN", public_id("usr", ANN)])
def test_a_statement_ends_in_the_stored_balance_and_begins_at_nothing(
    word: str, largesse: Largesse
) -> None:
    document = json.loads(largesse("statement", word, "--json").out)
    assert document["holder"] == public_id("usr", ANN)
    paid = [
        change
        for entry in document["entries"]
        for change in entry["changes"]
        if change["account"] == "fan_paid"
    ]
    stored = rows("SELECT paid_issued - paid_next FROM ledger_wallet WHERE holder = %s", ANN)
    assert paid[0]["balance_after"] == stored[0][0]
    for newer, older in pairwise(paid):
        assert newer["balance_after"] - newer["change"] == older["balance_after"]
    assert paid[-1]["balance_after"] == paid[-1]["change"] == 500


def test_a_statement_for_people_shows_the_balance_after_each_entry(largesse: Largesse) -> None:
    answer = largesse("statement", "ann")
    assert "Ann [b] ann usr_" in answer.out
    [first] = [line for line in answer.out.splitlines() if "recharge" in line]
    assert first.split()[3:7] == ["fan_paid", "+500", "COIN", "500"]


def test_a_limited_statement_has_the_newest_entries(largesse: Largesse) -> None:
    every = json.loads(largesse("statement", "ben", "--json").out)["entries"]
    some = json.loads(largesse("statement", "ben", "--limit", "2", "--json").out)["entries"]
    assert some == every[:2]


def test_an_imported_person_is_found_by_the_name_in_the_file(largesse: Largesse) -> None:
    document = json.loads(largesse("statement", "Some Donor", "--json").out)
    assert document["handle"] == "some-donor-1"


@pytest.mark.parametrize("word", ["nobody", "usr_zzz", public_id("usr", 5)])
def test_a_stranger_is_refused_with_a_sentence(word: str, largesse: Largesse) -> None:
    answer = largesse("statement", word)
    assert answer.code == 1
    assert answer.err.startswith("largesse: ")
    assert answer.out == ""
