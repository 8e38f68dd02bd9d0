"""Exports: exact text, inert text, and two tools that are not ours as judges of the books."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from largesse.adapters.postgres import checks
from largesse.adapters.postgres.export_rows import open_snapshot
from largesse.commands.books import write_export
from largesse.finance import exports
from largesse.finance.exports import FORMATS, Line, Record, UnknownFormat, find_format
from largesse.ledger.accounts import ACCOUNTS, Account, Unit
from largesse.ledger.journals import Event
from largesse.money.ids import PLATFORM, HolderId, public_id
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    DjangoDriver,
    database_url,
    empty_ledger,
    known_policies,
    rows,
)
from tests.finance.export_world import ANN, BEN, CREATOR, FORMULA, tell_story

pytestmark = COMMITTED
AT = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)


@pytest.fixture
def story(transactional_db: None) -> Iterator[DjangoDriver]:
    empty_ledger()
    book = DjangoDriver()
    with known_policies():
        tell_story(book)
        yield book
    empty_ledger()


def exported(name: str, *, days: bool = False) -> str:
    text = io.StringIO(newline="")
    with open_snapshot(database_url()) as snapshot:
        write_export(snapshot, find_format(name), text, days=days)
    return text.getvalue()


class _Counter(io.StringIO):
    """A file that keeps nothing."""

    characters = 0

    def write(self, text: str) -> int:
        self.characters += len(text)
        return len(text)


# --- Two judges ----------------------------------------------------------------------------------


def hledger_complaint(file: Path) -> str:
    if shutil.which("hledger") is None:
        pytest.skip("HLEDGER IS NOT INSTALLED: the export was not proved (apt-get install hledger)")
    answer = subprocess.run(
        ["hledger", "check", "--strict", "-f", file], capture_output=True, text=True, check=False
    )
    return answer.stderr if answer.returncode else ""


def beancount_complaint(file: Path) -> str:
    loader = pytest.importorskip("beancount.loader")
    _, errors, _ = loader.load_file(str(file))
    return "\n".join(error.message for error in errors)


JUDGES = {
    "hledger": (hledger_complaint, "books.journal"),
    "beancount": (beancount_complaint, "books.beancount"),
}


@pytest.mark.parametrize("days", [False, True])
@pytest.mark.parametrize("name", JUDGES)
def test_a_tool_that_is_not_ours_accepts_the_books(
    name: str, days: bool, story: DjangoDriver, tmp_path: Path
) -> None:
    assert checks.run_checks() == []
    complaint, file = JUDGES[name]
    (tmp_path / file).write_text(exported(name, days=days))
    assert complaint(tmp_path / file) == ""


@pytest.mark.parametrize("name", JUDGES)
def test_one_edited_side_does_not_balance(name: str, story: DjangoDriver, tmp_path: Path) -> None:
    complaint, file = JUDGES[name]
    text = exported(name)
    edited = re.sub(r"-250 COIN", "-251 COIN", text, count=1)
    edited_back = re.sub(r" 250 COIN", " 251 COIN", edited, count=1)
    assert len({text, edited, edited_back}) == 3
    (tmp_path / file).write_text(edited)
    assert "balance" in complaint(tmp_path / file)


@pytest.mark.parametrize("name", JUDGES)
def test_an_edited_transaction_contradicts_the_stored_balances(
    name: str, story: DjangoDriver, tmp_path: Path
) -> None:
    complaint, file = JUDGES[name]
    text = exported(name).replace("-250 COIN", "-251 COIN", 1).replace(" 250 COIN", " 251 COIN", 1)
    (tmp_path / file).write_text(text)
    assert re.search(r"assertion|Balance failed", complaint(tmp_path / file))


@pytest.mark.parametrize("name", JUDGES)
def test_one_cent_more_is_noticed(name: str, story: DjangoDriver, tmp_path: Path) -> None:
    complaint, file = JUDGES[name]
    text = exported(name)
    edited = text.replace(" 4.99 USD", " 5.00 USD", 1).replace(" -4.99 USD", " -5.00 USD", 1)
    assert edited != text
    (tmp_path / file).write_text(edited)
    assert re.search(r"assertion|Balance failed", complaint(tmp_path / file))


@pytest.mark.parametrize("name", JUDGES)
def test_a_stored_balance_that_was_tampered_with_is_noticed(
    name: str, story: DjangoDriver, tmp_path: Path
) -> None:
    rows("UPDATE ledger_account SET balance = balance + 1 WHERE code = 'bank'")
    complaint, file = JUDGES[name]
    (tmp_path / file).write_text(exported(name))
    assert re.search(r"assertion|Balance failed", complaint(tmp_path / file))


def test_the_story_has_every_event_and_every_account(story: DjangoDriver) -> None:
    events = {row[0] for row in rows("SELECT event FROM ledger_journal")}
    assert events | {"gift"} == {event.value for event in Event}
    moved = {row[0] for row in rows(f"SELECT code FROM ({checks.ENTRIES}) e WHERE change <> 0")}
    assert moved == set(ACCOUNTS)


# --- Tables and lines ----------------------------------------------------------------------------


def test_csv_holds_every_transfer_once_and_no_formula(story: DjangoDriver) -> None:
    text = exported("csv")
    assert text.count("\r\n") == text.count("\n")
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    moved: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in table:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), row
        moved[row["credit"], row["credit_holder"], row["asset"]] += int(row["minor"])
        moved[row["debit"], row["debit_holder"], row["asset"]] -= int(row["minor"])
    ann = public_id("usr", ANN)
    assert moved["fan_paid", ann, "COIN"] == story.wallet(ANN).paid.balance
    strange = next(row for row in table if "calc" in row["reference"])
    assert strange["reference"].startswith("'=")
    yen = next(row for row in table if row["asset"] == "JPY" and row["minor"] == "1440")
    assert yen["amount"] == "1440"
    dinar = next(row for row in table if row["asset"] == "KWD" and row["minor"] == "1940")
    assert dinar["amount"] == "1.940"


def test_jsonl_holds_postings_in_ledger_order_and_every_balance(story: DjangoDriver) -> None:
    found = [json.loads(line) for line in exported("jsonl").splitlines()]
    postings = [row for row in found if row["kind"] == "posting"]
    places = [(row["bucket"], int(row["seq"])) for row in postings]
    assert places == sorted(places)
    assert len(places) == len(set(places)) == rows("SELECT sum(last_seq) FROM ledger_bucket")[0][0]
    assert all(isinstance(row["id"], str) and isinstance(row["seq"], str) for row in postings)
    sums: dict[tuple[object, ...], int] = defaultdict(int)
    for row in postings:
        for line in row["transfers"]:
            for side, sign in (("debit", -1), ("credit", 1)):
                account = row["bucket"], line[side], line[f"{side}_holder"], line["asset"]
                sums[account] += sign * line["minor"]
    balances = {
        (row["bucket"], row["account"], row["holder"], row["asset"]): row["minor"]
        for row in found
        if row["kind"] == "balance"
    }
    assert balances == dict(sums)
    assert FORMULA in {row["reference"] for row in postings}


def test_gifts_of_a_day_are_summed_per_fan(story: DjangoDriver) -> None:
    found = [json.loads(line) for line in exported("jsonl", days=True).splitlines()]
    days = {
        row["reference"]: (row["count"], sum(line["minor"] for line in row["transfers"]))
        for row in found
        if row.get("event") == "gifts"
    }
    ben = public_id("usr", BEN)
    assert days[f"{public_id('usr', ANN)}/2026-11-22"] == (3, 7 + 9 + 12)
    assert days[f"{ben}/2026-11-22"] == (2, 8 + 11)
    assert days[f"{ben}/2026-11-24"] == (1, 1100)


def test_an_empty_ledger_exports_to_something_valid(transactional_db: None, tmp_path: Path) -> None:
    empty_ledger()
    for name, (complaint, file) in JUDGES.items():
        (tmp_path / file).write_text(exported(name))
        assert complaint(tmp_path / file) == ""
    assert exported("jsonl") == ""


def test_memory_does_not_grow_with_the_number_of_gifts(story: DjangoDriver) -> None:
    many = 40_000
    rows(
        "INSERT INTO ledger_gift SELECT 100000 + n, fan, creator, room, coins, bonus, paid_from, "
        "paid_to, bonus_from, bonus_to, prev_seq, streak_seq, at, gift, count, policy, bucket, "
        "gen_random_uuid() FROM ledger_gift, generate_series(1, %s) n WHERE coins = 250",
        many,
    )
    sink = _Counter()
    tracemalloc.start()
    with open_snapshot(database_url()) as snapshot:
        assert write_export(snapshot, find_format("hledger"), sink) > many
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sink.characters > 100 * many
    # Holding the records alone would take more than 40 MB.
    assert peak_bytes < 12_000_000


# --- Single forms --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minor", "code", "text"),
    [
        (0, "USD", "0.00"),
        (5, "USD", "0.05"),
        (-5, "USD", "-0.05"),
        (123_456, "USD", "1234.56"),
        (1600, "JPY", "1600"),
        (-1, "JPY", "-1"),
        (2_155, "KWD", "2.155"),
        (7, "COIN", "7"),
        (2**63 - 1, "USD", "92233720368547758.07"),
    ],
)
def test_minor_units_become_decimals_exactly(minor: int, code: str, text: str) -> None:
    assert exports.decimal_text(minor, code) == text


@pytest.mark.parametrize("account", Account)
def test_every_account_has_a_name_that_both_tools_take(account: Account) -> None:
    holder = CREATOR if account.personal else PLATFORM
    name = exports.account_name(account.code, holder, 70)
    root, *parts = name.split(":")
    assert root in ("Assets", "Liabilities", "Equity", "Income", "Expenses")
    assert all(re.fullmatch(r"[A-Z0-9][A-Za-z0-9-]*", part) for part in parts)
    if account.unit is not Unit.CURRENCY and not account.personal:
        assert root == "Equity"


def test_account_names_are_distinct() -> None:
    names = {exports.account_name(a.code, CREATOR if a.personal else PLATFORM, 1) for a in Account}
    assert len(names) == len(Account)


@pytest.mark.parametrize("name", FORMATS)
def test_text_from_outside_ends_no_line(name: str) -> None:
    line = Line("issued", PLATFORM, "fan_paid", HolderId(70), "COIN", 5)
    record = Record(6, 1, AT, "recharge", "id", FORMULA, [line])
    harmless = Record(6, 1, AT, "recharge", "id", "plain", [line])
    form = find_format(name)
    assert len(form.record(record).splitlines()) == len(form.record(harmless).splitlines())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_formula_is_made_inert(text: str) -> None:
    assert exports.inert(text) == f"'{text}"


def test_plain_text_stays_as_it_is() -> None:
    assert exports.inert("rch_0c9m2v5x7k1qz") == "rch_0c9m2v5x7k1qz"


def test_an_unknown_format_names_those_that_exist() -> None:
    with pytest.raises(UnknownFormat, match="hledger, beancount, csv, jsonl"):
        find_format("xlsx")
