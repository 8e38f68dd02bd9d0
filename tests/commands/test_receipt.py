"""`largesse receipt` and `largesse checkpoint`: shown, kept, verified offline, audited."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    DjangoDriver,
    empty_ledger,
    gift,
    known_policies,
    roll_up_now,
    rows,
)
from tests.adapters.postgres.sealed_world import FAN, gift_id, tell_story
from tests.commands.conftest import Largesse

pytestmark = [COMMITTED, pytest.mark.usefixtures("story", "on_tests_database")]
TOOL = Path(__file__).parents[2] / "tools" / "verify_receipt.py"


@pytest.fixture
def story(transactional_db: None) -> Iterator[DjangoDriver]:
    empty_ledger()
    with known_policies():
        driver = DjangoDriver()
        tell_story(driver)
        yield driver
    empty_ledger()


@pytest.fixture(autouse=True)
def own_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> None:
    monkeypatch.chdir(tmp_path)
    settings.CONFIG = replace(settings.CONFIG, data_dir=tmp_path)


def done(largesse: Largesse, *arguments: str) -> str:
    answer = largesse(*arguments)
    assert answer.code == 0, answer
    return answer.out


@pytest.mark.parametrize(
    ("name", "side", "words"),
    [
        (gift_id("a"), "fan", "fan usr_0000000000005"),
        (gift_id("a"), "creator", "creator usr_00000000000z9"),
        ("rch_one", "fan", "recharge rch_one"),
        ("pay_one", "creator", "payout_returned pay_one"),
    ],
)
def test_shown_then_checkpoint_then_verified(
    largesse: Largesse, name: str, side: str, words: str
) -> None:
    done(largesse, "receipt", "show", name, "-o", "r", "--side", side)
    done(largesse, "checkpoint", "-o", "c")
    done(largesse, "receipt", "key", "-o", "k")
    said = done(largesse, "receipt", "verify", "r", "--checkpoint", "c", "--key", "k")
    assert "This receipt holds" in said
    assert words in said


def test_a_receipt_holds_against_later_checkpoints_and_their_files(
    largesse: Largesse, story: DjangoDriver
) -> None:
    done(largesse, "receipt", "show", gift_id("a"), "-o", "r")
    roll_up_now()
    story.post_gifts([gift(f"g{n}", FAN, 1) for n in range(30)])
    done(largesse, "checkpoint", "-o", "c")
    note = Path("c").read_text()
    assert note.count("\n\n") == 1
    assert len(note.split("\n")) == 6
    assert "holds" in done(largesse, "receipt", "verify", "r", "--checkpoint", "c")
    Path("c.links").unlink()
    answer = largesse("receipt", "verify", "r", "--checkpoint", "c")
    assert answer.code == 1
    assert "consistency: nothing links" in answer.out
    done(largesse, "checkpoint", "--since", "r", "-o", "since")
    assert "holds" in done(largesse, "receipt", "verify", "r", "--checkpoint", "since")
    story.post_gifts([gift("h", FAN, 1)])
    done(largesse, "checkpoint", "--since", "c", "-o", "next")
    assert json.loads(Path("next").read_text())["proofs"].keys() == {note.split("\n")[1]}


def test_a_checkpoint_first_then_a_receipt_at_it(largesse: Largesse, story: DjangoDriver) -> None:
    done(largesse, "checkpoint", "-o", "c")
    story.post_gifts([gift("later", FAN, 1)])
    done(largesse, "receipt", "show", gift_id("later"), "-o", "later")
    done(largesse, "receipt", "show", gift_id("a"), "-o", "newest")
    done(largesse, "receipt", "show", gift_id("a"), "-o", "r", "--checkpoint", "c")
    assert "holds" in done(largesse, "receipt", "verify", "r", "--checkpoint", "c")
    answer = largesse("receipt", "verify", "newest", "--checkpoint", "c", "--json")
    assert answer.code == 1
    assert json.loads(answer.out)["part"] == "checkpoint"
    answer = largesse("receipt", "show", gift_id("later"), "--checkpoint", "c")
    assert answer.code == 1
    assert "stored checkpoint" in answer.err


def test_verifying_needs_no_database_no_framework_and_no_secret(largesse: Largesse) -> None:
    done(largesse, "receipt", "show", gift_id("a"), "-o", "r")
    done(largesse, "checkpoint", "-o", "c")
    script = (
        "import sys; from largesse import cli; sys.argv = ['largesse', 'receipt', 'verify', 'r', "
        "'--checkpoint', 'c', '--json']\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'django', 'psycopg'} & set(sys.modules)"
    )
    plain = {"PATH": "/usr/bin", "DATABASE_URL": "postgresql://nowhere:1/none"}
    said = subprocess.run(
        [sys.executable, "-c", script], env=plain, check=True, capture_output=True, text=True
    )
    assert json.loads(said.stdout)["ok"] is True
    alone = subprocess.run(
        [sys.executable, "-I", TOOL, "r", "--checkpoint", "c"], check=True, capture_output=True
    )
    assert alone.stdout.startswith(b"holds: leaf")


def test_a_changed_receipt_ends_with_one_and_names_the_part(largesse: Largesse) -> None:
    done(largesse, "receipt", "show", gift_id("a"), "-o", "r")
    for old, new, part in (
        ('"coins": 200', '"coins": 201', "entry"),
        ("usr_0000000000005", "usr_0000000000006", "opening"),
        ("largesse-receipt/1", "largesse-receipt/9", "format"),
        ('"index": ', '"index": 99', "leaf"),
    ):
        Path("bad").write_text(Path("r").read_text().replace(old, new))
        answer = largesse("receipt", "verify", "bad", "--json")
        assert (answer.code, json.loads(answer.out)["part"]) == (1, part)
    Path("bad").write_bytes(b"\xff")
    answer = largesse("receipt", "verify", "bad")
    assert answer.code == 1
    assert "does not hold" in answer.out
    assert largesse("receipt", "verify", "missing").code == 3


def test_another_logs_key_is_refused(largesse: Largesse) -> None:
    done(largesse, "receipt", "show", gift_id("a"), "-o", "r")
    Path("k").write_text("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n")
    answer = largesse("receipt", "verify", "r", "--key", "k")
    assert answer.code == 1
    assert "another key than the one that you trust" in answer.out


def test_a_checkpoint_of_books_that_were_forked_is_not_linked(
    largesse: Largesse, story: DjangoDriver
) -> None:
    done(largesse, "receipt", "show", gift_id("a"), "-o", "r")
    rows("UPDATE ledger_gift SET coins = coins + 1 WHERE coins = 200")
    for table in ("range", "tile", "reference", "checkpoint"):
        rows(f"DELETE FROM ledger_log_{table}")
    rows("UPDATE ledger_log SET size = 0, edge = '', seen = array_fill(0::bigint, ARRAY[128])")
    story.post_gifts([gift("more", FAN, 1)])
    answer = largesse("checkpoint", "--since", "r", "-o", "c")
    assert answer.code == 1
    assert "cut or forked" in answer.err
    assert not Path("c").exists()


def test_what_is_unknown_says_what_an_id_looks_like(largesse: Largesse) -> None:
    for name in ("gft_5", "rch_none", gift_id("nobody's")):
        answer = largesse("receipt", "show", name)
        assert answer.code == 1
        assert "gft_" in answer.err
    answer = largesse("receipt", "show", "rch_one", "--side", "creator")
    assert answer.code == 1
    assert "it has fan" in answer.err


def test_an_audit_says_that_all_is_as_sealed_or_names_what_is_not(largesse: Largesse) -> None:
    done(largesse, "checkpoint")
    assert "all as they were sealed" in done(largesse, "receipt", "audit")
    rows("UPDATE ledger_gift SET coins = coins + 1 WHERE coins = 200")
    answer = largesse("receipt", "audit")
    assert answer.code == 1
    assert gift_id("a") in answer.out
    found = json.loads(largesse("receipt", "audit", "--json").out)
    assert (found["ok"], found["leaves"]) == (False, 15)
    assert found["findings"][0]["subject"] == gift_id("a")


def test_answers_go_to_stdout_where_no_file_is_named(largesse: Largesse) -> None:
    document = json.loads(done(largesse, "receipt", "show", gift_id("a")))
    assert document["format"] == "largesse-receipt/1"
    assert done(largesse, "checkpoint") == document["checkpoint"]
    assert done(largesse, "receipt", "key").strip() == document["key"]


def test_the_key_is_private_and_stays(largesse: Largesse, tmp_path: Path) -> None:
    first = done(largesse, "receipt", "key")
    assert (tmp_path / "receipt-key").stat().st_mode & 0o777 == 0o600
    assert done(largesse, "receipt", "key") == first
    done(largesse, "checkpoint")
    (tmp_path / "receipt-key").write_text("00" * 32)
    answer = largesse("checkpoint")
    assert answer.code == 1
    assert "another key" in answer.err
    (tmp_path / "receipt-key").write_text("half")
    answer = largesse("checkpoint")
    assert answer.code == 3
    assert "64 hex digits" in answer.err
