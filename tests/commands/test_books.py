"""`largesse books`: what holds is said to hold, what does not is named, exports are whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from largesse.money.ids import public_id
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    DjangoDriver,
    empty_ledger,
    known_policies,
    rows,
)
from tests.commands.conftest import Largesse
from tests.finance.export_world import ANN, CREATOR, tell_story

pytestmark = [COMMITTED, pytest.mark.usefixtures("story", "on_tests_database")]


@pytest.fixture
def story(transactional_db: None) -> Iterator[None]:
    empty_ledger()
    with known_policies():
        tell_story(DjangoDriver())
        yield
    empty_ledger()


def test_books_that_hold_end_with_zero(largesse: Largesse) -> None:
    answer = largesse("books", "check")
    assert answer.code == 0
    assert "The books hold." in answer.out
    assert "breaks" not in answer.out
    assert answer.out.count(" ok") >= 13


@pytest.mark.parametrize(
    ("tampering", "account"),
    [
        (
            "UPDATE ledger_account SET balance = balance + 5 WHERE code = 'creator_available'",
            f"creator_available:{CREATOR}",
        ),
        (
            f"UPDATE ledger_wallet SET paid_issued = paid_issued + 1 WHERE holder = {ANN}",
            f"fan_paid:{ANN}",
        ),
        ("UPDATE ledger_account SET balance = balance - 1 WHERE code = 'bank'", "bank:0"),
        ("DELETE FROM ledger_gift WHERE coins = 250", "fan_paid:135"),
        ("UPDATE ledger_transfer SET amount = amount + 1 WHERE credit = 'tax_payable'", "tax_pay"),
    ],
)
def test_tampering_ends_with_one_and_names_the_account(
    tampering: str, account: str, largesse: Largesse
) -> None:
    rows(tampering)
    answer = largesse("books", "check")
    assert answer.code == 1
    assert account in answer.out
    assert "The books do not hold" in answer.out


def test_check_as_json_is_one_document(largesse: Largesse) -> None:
    assert json.loads(largesse("books", "check", "--json").out)["ok"] is True
    rows("UPDATE ledger_account SET balance = balance + 5 WHERE code = 'creator_available'")
    answer = largesse("books", "check", "--json")
    document = json.loads(answer.out)
    assert (answer.code, document["ok"]) == (1, False)
    broken = {check["invariant"] for check in document["checks"] if not check["ok"]}
    assert {"I1", "I2"} <= broken
    accounts = [found["account"] for check in document["checks"] for found in check["breaks"]]
    assert any(f"creator_available:{CREATOR}" in account for account in accounts)


@pytest.mark.parametrize("name", ["hledger", "beancount", "csv", "jsonl"])
def test_export_writes_the_file_and_says_so(name: str, largesse: Largesse, tmp_path: Path) -> None:
    file = tmp_path / "books.out"
    answer = largesse("books", "export", "--format", name, "-o", str(file))
    assert (answer.code, answer.out) == (0, "")
    assert str(file) in answer.err.replace("\n", "")
    assert public_id("usr", ANN)[4:] in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir() if "books" in path.name) == ["books.out"]


def test_export_to_stdout_is_the_export_and_nothing_else(largesse: Largesse) -> None:
    answer = largesse("books", "export", "--format", "jsonl")
    assert all(json.loads(line)["kind"] for line in answer.out.splitlines())
    assert answer.err == ""


def test_export_by_day_is_shorter(largesse: Largesse) -> None:
    every = largesse("books", "export", "--format", "jsonl").out
    by_day = largesse("books", "export", "--format", "jsonl", "--summary", "day").out
    assert len(by_day.splitlines()) < len(every.splitlines())
    assert '"gifts"' in by_day


def test_an_export_into_no_directory_is_refused(largesse: Largesse, tmp_path: Path) -> None:
    answer = largesse("books", "export", "-o", str(tmp_path / "none" / "books.journal"))
    assert answer.code == 3
    assert answer.err.startswith("largesse: Cannot use")
    assert "Traceback" not in answer.err


def test_an_export_that_fails_leaves_the_old_file(
    largesse: Largesse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "books.journal"
    file.write_text("the last good one")
    rows("UPDATE ledger_transfer SET asset = 'XXX' WHERE asset = 'KWD'")
    answer = largesse("books", "export", "-o", str(file))
    assert answer.code == 1
    assert "XXX" in answer.err
    assert file.read_text() == "the last good one"
    assert not list(tmp_path.glob(".books*"))


def test_an_unknown_format_is_wrong_usage(largesse: Largesse) -> None:
    answer = largesse("books", "export", "--format", "xlsx")
    assert answer.code == 2
    assert "hledger" in answer.err
