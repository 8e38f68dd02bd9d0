"""Checkpoints: the C2SP format by an independent reading, and what is refused."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from largesse.ledger import canonical
from largesse.ledger.canonical import NotCanonical
from largesse.ledger.checkpoints import (
    Checkpoint,
    Links,
    SigningKey,
    VerifierKey,
    open_note,
)
from largesse.ledger.merkle import EMPTY_ROOT, BadProof

KEY = SigningKey("gifts.example/ledger", bytes(range(32)))
OTHER = SigningKey("gifts.example/ledger", bytes(32))
CHECKPOINT = Checkpoint("gifts.example/ledger", 20_852_163, hashlib.sha256(b"root").digest())
NOTE = KEY.sign(CHECKPOINT)

# A widely published example of such a key.
FOREIGN_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def test_a_note_is_laid_out_as_the_format_says() -> None:
    """Read here by hand, with nothing of the product."""
    assert NOTE.isascii() is False
    origin, size, root, blank, line, rest = NOTE.split("\n")
    assert (origin, size, blank, rest) == ("gifts.example/ledger", "20852163", "", "")
    assert base64.b64decode(root) == hashlib.sha256(b"root").digest()
    assert line.encode()[:4] == b"\xe2\x80\x94\x20"
    dash, name, signature = line.split(" ")
    assert (dash, name) == ("\u2014", origin)
    data = base64.b64decode(signature)
    public = KEY.verifier.public_key
    assert data[:4] == hashlib.sha256(origin.encode() + b"\x0a\x01" + public).digest()[:4]
    signed = f"{origin}\n{size}\n{root}\n".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(data[4:], signed)
    assert len(data) == 4 + 64


def test_the_same_checkpoint_gives_the_same_note() -> None:
    assert KEY.sign(CHECKPOINT) == NOTE
    assert open_note(NOTE, KEY.verifier) == CHECKPOINT
    empty = Checkpoint(KEY.name, 0, EMPTY_ROOT)
    assert open_note(KEY.sign(empty), KEY.verifier) == empty


def test_keys_read_and_write_as_the_format_says() -> None:
    assert VerifierKey.parse(FOREIGN_KEY).text == FOREIGN_KEY
    assert VerifierKey.parse(KEY.verifier.text) == KEY.verifier
    assert "seed" not in repr(KEY)


def test_notes_signed_by_others_too_are_read() -> None:
    """A witness adds its line; rotation of keys adds another."""
    witness = SigningKey("witness.example/w", b"w" * 32).sign(CHECKPOINT).split("\n\n")[1]
    assert open_note(NOTE + witness, KEY.verifier) == CHECKPOINT
    rotated = OTHER.sign(CHECKPOINT).split("\n\n")[1]
    assert open_note(NOTE + rotated, OTHER.verifier) == CHECKPOINT
    with pytest.raises(BadProof, match="not of this text"):
        open_note(NOTE + NOTE.split("\n\n")[1].replace("A", "B", 1), KEY.verifier)


@pytest.mark.parametrize(
    ("note", "part"),
    [
        ("", "checkpoint"),
        (NOTE[:-1], "checkpoint"),
        (NOTE.replace("\n\n", "\n"), "checkpoint"),
        (NOTE.replace("20852163", "020852163"), "checkpoint"),
        (NOTE.replace("20852163", "-1"), "checkpoint"),
        (NOTE.replace("\n\n", "\nan extension\n\n"), "checkpoint"),
        (NOTE.replace("20852163", "20852164"), "signature"),
        (NOTE.replace("\u2014", "-"), "signature"),
        (NOTE.replace("\u2014 ", "\u2014  "), "signature"),
        (NOTE + "\n", "checkpoint"),
        (NOTE.replace("gifts.example", "coins.example"), "origin"),
        (OTHER.sign(CHECKPOINT), "key"),
    ],
)
def test_a_note_that_is_not_right_says_which_part(note: str, part: str) -> None:
    with pytest.raises(BadProof) as bad:
        open_note(note, KEY.verifier)
    assert bad.value.part == part
    assert bad.value.message.startswith(part)


@pytest.mark.parametrize("what", [NOTE, KEY.verifier.text])
def test_every_changed_bit_of_a_note_or_a_key_is_noticed(what: str) -> None:
    data = what.encode()
    for place in range(8 * len(data)):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        try:
            text = changed.decode()
        except UnicodeDecodeError:
            continue
        note, key = (text, KEY.verifier.text) if what == NOTE else (NOTE, text)
        with pytest.raises(BadProof):
            open_note(note, VerifierKey.parse(key))


def test_links_are_read_as_they_were_written() -> None:
    links = Links(NOTE, {5: [b"a" * 32], 7: []})
    assert Links.parse(links.text) == links
    assert Links.parse(NOTE) == Links(NOTE, {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("largesse-consistency/1", "largesse-consistency/2"),
        ("61" * 32, "6A" * 32),
        ("61" * 32, "61" * 31),
        ('"5"', '"05"'),
        ('"proofs"', '"proof"'),
        (f'"{"61" * 32}"', "5"),
        ("{\n", "{ \n"),
    ],
)
def test_links_that_were_changed_are_refused(old: str, new: str) -> None:
    text = Links(NOTE, {5: [b"a" * 32]}).text
    assert old in text
    with pytest.raises(BadProof):
        Links.parse(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"a": 1.0}', '{"a": NaN}', '{"a": true}', '{"a": null}',
             '{\n "a": 1,\n "a": 1\n}\n', '{"a": 1}', '{\n "a": "\\ud800"\n}\n',
             '{\n "a": 1e3\n}\n', '{\n "ä": 1\n}\n', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_document_of_ours_is_refused(text: str) -> None:
    with pytest.raises(NotCanonical):
        canonical.read(text)


def test_the_canonical_form_is_sorted_compact_and_utf8() -> None:
    document: canonical.Document = {"b": [1, -2, "ü"], "a": {"z": '\n"', "y": 2**70}}
    exact = '{"a":{"y":1180591620717411303424,"z":"\\n\\""},"b":[1,-2,"ü"]}'
    assert canonical.canonical(document) == exact.encode()
    assert canonical.read(canonical.render(document)) == document
    for bad in ({"a": 1.5}, {"a": True}, {"a": None}, {1: "a"}, {"a": b"a"}):
        with pytest.raises(NotCanonical):
            canonical.canonical(bad)  # type: ignore[arg-type]
