"""The stand-alone verifier: it agrees with ours, and every changed bit of a receipt is noticed.

T26: 10,000 single-bit edits, each in another place, and none of them verifies.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

import verify_receipt
from largesse.ledger import canonical
from largesse.ledger.checkpoints import Checkpoint, Links, SigningKey
from largesse.ledger.merkle import (
    BadProof,
    Edge,
    consistency_spans,
    fold,
    inclusion_spans,
    leaf_hash,
)
from largesse.ledger.receipts import (
    Entry,
    Receipt,
    Salts,
    SealedGift,
    SealedJournal,
    entry_of_gift,
    entry_of_journal,
)
from largesse.money.ids import HolderId

TOOL = Path(verify_receipt.__file__)
KEY = SigningKey("tests.example/ledger", b"s" * 32)
OTHER_KEY = SigningKey("tests.example/ledger", b"t" * 32)
SALTS = Salts(b"k" * 32)
AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
EDITS = 10_000
BROKEN = (ValueError, KeyError, TypeError, AttributeError, IndexError)


def gift(seq: int) -> SealedGift:
    key = UUID(int=seq << 64)
    people = HolderId(5), HolderId(1001)
    return SealedGift(
        5, seq, AT, key, *people, 77, 7, 1, 200 + seq, 50, 1, 0, seq - 1, (0, 150), (0, 50)
    )


def recharge(seq: int) -> SealedJournal:
    moves = (("issued", "fan_paid:owner", "COIN", 1000), ("provider_clearing", "loss", "USD", 5))
    lot = ("paid", 0, 1000, 2000, 200, "USD", "wéb", f"rch_{seq}", "")
    return SealedJournal(
        5, seq, AT, UUID(int=seq), "recharge", HolderId(5), f"rch_{seq}", "{}", moves, (lot,)
    )


ENTRIES: list[Entry] = [
    entry_of_journal(recharge(seq), SALTS) if seq % 5 == 0 else entry_of_gift(gift(seq), SALTS)
    for seq in range(1, 61)
]
LEAVES = [entry.leaf for entry in ENTRIES]


def root(start: int, end: int) -> bytes:
    return Edge().grown(LEAVES[start:end])[0].root


def note(size: int, key: SigningKey = KEY) -> str:
    return key.sign(Checkpoint(key.name, size, root(0, size)))


def receipt(index: int, side: str = "fan", size: int = len(LEAVES)) -> Receipt:
    path = [root(span.start, span.end) for span in inclusion_spans(index, size)]
    return Receipt.of(ENTRIES[index], side, index, path, note(size), KEY.verifier.text)


def links(new: int, *olds: int) -> Links:
    proofs = {
        old: [root(span.start, span.end) for span in consistency_spans(old, new)] for old in olds
    }
    return Links(note(new), proofs)


SIDES = [(i, side) for i, entry in enumerate(ENTRIES) for side in entry.openings]


def test_it_is_short_and_shares_no_code() -> None:
    source = TOOL.read_text()
    assert len(source.splitlines()) < 150
    assert not [
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or node.names[0].name]
        if name.split(".")[0] not in {*sys.stdlib_module_names, "cryptography"}
    ]


@pytest.mark.parametrize(("index", "side"), SIDES)
def test_both_verifiers_accept_every_receipt(index: int, side: str) -> None:
    one = receipt(index, side)
    assert Receipt.parse(one.text) == one_as_read(one)
    one.verify(KEY.verifier)
    assert verify_receipt.check(one.text.encode(), trusted=KEY.verifier.text)


def one_as_read(one: Receipt) -> Receipt:
    return Receipt.parse(canonical.render(json.loads(one.text)))


def test_ten_thousand_single_bit_edits_are_all_noticed_by_the_stand_alone_verifier() -> None:
    texts = [receipt(index, side).text.encode() for index, side in SIDES]
    held = note(len(LEAVES)).encode()
    seen: set[tuple[int, int]] = set()
    random = Random(26)
    while len(seen) < EDITS:
        which = random.randrange(len(texts))
        bit = random.randrange(8 * len(texts[which]))
        if (which, bit) in seen:
            continue
        seen.add((which, bit))
        changed = flipped(texts[which], bit)
        with pytest.raises(BROKEN) as wrong:
            verify_receipt.check(changed, held)
        assert str(wrong.value)


@pytest.mark.parametrize("index", [0, 4, 59])
def test_every_bit_of_a_receipt_counts_for_both(index: int) -> None:
    """Each bit of whole files; ours names the part, and both agree that it is wrong."""
    text = receipt(index).text.encode()
    parts = set()
    for bit in range(8 * len(text)):
        changed = flipped(text, bit)
        with pytest.raises(BROKEN):
            verify_receipt.check(changed)
        try:
            readable = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(BadProof) as bad:
            Receipt.parse(readable).verify()
        parts.add(bad.value.part)
    assert parts >= {"format", "entry", "salt", "leaf", "path", "signature", "key", "opening"}
    assert parts >= {"origin", "checkpoint"}


@pytest.mark.parametrize("file", ["checkpoint", "linked"])
def test_every_bit_of_a_checkpoint_counts_for_both(file: str) -> None:
    one = receipt(3, size=20)
    held = note(20) if file == "checkpoint" else links(60, 20).text
    assert verify_receipt.check(one.text.encode(), held.encode())
    assert one.verify_against(Links.parse(held), KEY.verifier).size >= 20
    for bit in range(8 * len(held.encode())):
        changed = flipped(held.encode(), bit)
        with pytest.raises(BROKEN):
            verify_receipt.check(one.text.encode(), changed)
        try:
            readable = changed.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(BadProof):
            one.verify_against(Links.parse(readable), KEY.verifier)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_both_agree_on_every_pair_of_checkpoints() -> None:
    for old in range(1, len(LEAVES) + 1):
        one = receipt(old - 1, size=old)
        for new in range(1, len(LEAVES) + 1):
            held = links(new, old) if old < new else Links(note(new), {})
            if old <= new:
                assert verify_receipt.check(one.text.encode(), held.text.encode())
                assert one.verify_against(held).size == new
                assert verify_receipt.check(
                    one.text.encode(), held.note.encode(), held.text.encode()
                )
            else:
                with pytest.raises(ValueError, match="checkpoint"):
                    verify_receipt.check(one.text.encode(), held.text.encode())
                with pytest.raises(BadProof, match="checkpoint"):
                    one.verify_against(held)


def edited(**members: object) -> str:
    return canonical.render(json.loads(receipt(1).text) | members)


def fork(size: int) -> str:
    leaves = [*LEAVES[: size - 1], leaf_hash(b"another")]
    return KEY.sign(Checkpoint(KEY.name, size, Edge().grown(leaves)[0].root))


PATH = json.loads(receipt(1).text)["path"]
ENTRY = json.loads(receipt(1).text)["entry"]
OPENING = json.loads(receipt(1).text)["opening"]
LEAF = json.loads(receipt(1).text)["leaf"]
WRONG = [
    ("format", edited(format="largesse-receipt/2")),
    ("format", edited(more="members")),
    ("format", receipt(1).text.replace("\n", "\r\n")),
    ("entry", edited(entry=ENTRY | {"coins": 9999})),
    ("entry", edited(entry_hash="00" * 32)),
    ("salt", edited(salt="00" * 32)),
    ("salt", edited(salt="AA" * 32)),
    ("leaf", edited(leaf=LEAF | {"hash": "00" * 32})),
    ("leaf", edited(leaf=LEAF | {"index": 60})),
    ("leaf", edited(leaf=LEAF | {"index": -1})),
    ("path", edited(leaf=LEAF | {"index": 2})),
    ("path", edited(path=PATH[::-1])),
    ("path", edited(path=PATH[:-1])),
    ("path", edited(path=[*PATH, PATH[0]])),
    ("path", edited(checkpoint=fork(60))),
    ("signature", edited(checkpoint=note(60).replace("\n60\n", "\n61\n"))),
    ("key", edited(checkpoint=note(60, OTHER_KEY))),
    ("key", edited(key=KEY.verifier.text[:-1])),
    ("origin", edited(key=SigningKey("other.example/ledger", KEY.seed).verifier.text)),
    ("opening", edited(opening=OPENING | {"holder": "usr_0000000000006"})),
    ("opening", edited(side="creator")),
    ("opening", edited(side="entry_hash")),
    ("checkpoint", edited(checkpoint="")),
]


@pytest.mark.parametrize(("part", "text"), WRONG)
def test_both_name_the_part_that_is_wrong(part: str, text: str) -> None:
    with pytest.raises(BadProof) as bad:
        Receipt.parse(text).verify()
    assert bad.value.part == part
    with pytest.raises(ValueError, match=f"^{part}: "):
        verify_receipt.check(text.encode())


def test_another_key_or_another_log_is_refused_by_both() -> None:
    one = receipt(1)
    with pytest.raises(BadProof) as bad:
        one.verify(OTHER_KEY.verifier)
    assert bad.value.part == "key"
    with pytest.raises(ValueError, match=r"^key: "):
        verify_receipt.check(one.text.encode(), trusted=OTHER_KEY.verifier.text)
    for held, part in ((fork(60), "root"), (note(59), "checkpoint"), ("", "checkpoint")):
        with pytest.raises(BadProof) as bad:
            one.verify_against(Links.parse(held))
        assert bad.value.part == part
        with pytest.raises(ValueError, match=f"^{part}: "):
            verify_receipt.check(one.text.encode(), held.encode())
    old = receipt(1, size=40)
    cut = Links(note(60), {40: links(60, 39).proofs[39]})
    with pytest.raises(BadProof, match="consistency"):
        old.verify_against(cut)
    with pytest.raises(ValueError, match=r"^consistency: "):
        verify_receipt.check(old.text.encode(), cut.text.encode())
    with pytest.raises(ValueError, match="nothing links"):
        verify_receipt.check(old.text.encode(), note(60).encode())


def test_it_runs_alone(tmp_path: Path) -> None:
    """A process of its own, without the product on its path: exit codes and words."""
    good, held, key = tmp_path / "receipt.json", tmp_path / "held", tmp_path / "key"
    good.write_bytes(receipt(1, size=20).text.encode())
    held.write_bytes(note(60).encode())
    key.write_text(KEY.verifier.text + "\n")

    def tool(*arguments: object) -> tuple[int, str]:
        command = [sys.executable, "-I", str(TOOL), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        return done.returncode, done.stdout + done.stderr

    assert tool(good, "--key", key) == (0, "holds: leaf 1 of 20\n")
    code, said = tool(good, "--checkpoint", held)
    assert (code, "consistency: nothing links 20" in said) == (1, True)
    (tmp_path / "held.links").write_bytes(links(60, 20).text.encode())
    assert tool(good, "--checkpoint", held, "--key", key) == (
        0,
        "holds: leaf 1 of 20, in the log of 60\n",
    )
    for bit in (9, 4000, 12_345):
        bad = tmp_path / "bad.json"
        bad.write_bytes(flipped(good.read_bytes(), bit))
        code, said = tool(bad)
        assert code == 1
        assert said.startswith("does not hold: ")
        assert "Traceback" not in said
    assert tool(good, "--checkpoint", tmp_path / "missing")[0] != 0
    assert fold([]) == root(0, 0)
