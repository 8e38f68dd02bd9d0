"""Signed checkpoints of the log, and the proofs that link one to another.

Owns the note that is signed, the keys' text form, and the document that links checkpoints. Must not
know where keys lie or how often a checkpoint is made. Invariant: what `open_note` returns was
signed by the given key, to the last bit.

Source: C2SP signed-note and tlog-checkpoint; RFC 8032 (Ed25519).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from largesse.ledger import canonical
from largesse.ledger.canonical import Document, NotCanonical
from largesse.ledger.merkle import HASH_BYTES, BadProof, verify_consistency

LINKS_FORMAT = "largesse-consistency/1"
_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


# --- Keys ----------------------------------------------------------------------------------------


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the four bytes that tell keys of one name apart."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under its name; `text` is what an operator publishes."""

    name: str
    public_key: bytes

    @property
    def text(self) -> str:
        """The key in one line: name, id and base64, joined by plus signs."""
        identity = key_id(self.name, self.public_key).hex()
        return f"{self.name}+{identity}+{_base64(_ED25519 + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key of a line. Raises BadProof(key) where its parts do not agree."""
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        data = _from_base64(encoded) or b""
        if data[:1] != _ED25519 or len(data) != 1 + HASH_BYTES or not _is_name(name):
            raise BadProof("key", "it is not an Ed25519 key of the form name+id+base64.")
        key = cls(name, data[1:])
        if key.text != text:
            raise BadProof("key", "its id is not that of its name and bytes: it was changed.")
        return key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The operator's key: `seed` is its 32 secret bytes."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, public_key_of(self.seed))

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note of a checkpoint; the same checkpoint gives the same note."""
        text = checkpoint.text
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        identity = key_id(self.name, public_key_of(self.seed))
        return f"{text}\n{_DASH}{self.name} {_base64(identity + signature)}\n"


def public_key_of(seed: bytes) -> bytes:
    """Return the public key that belongs to 32 secret bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


# --- Notes ---------------------------------------------------------------------------------------


def open_note(note: str, key: VerifierKey) -> Checkpoint:
    """Return what a note says, once its signature was checked.

    Signatures of other keys are passed over, as the format asks. Raises BadProof: `checkpoint` for
    its form, `origin` for another log, `key` when this key signed nothing, `signature` when it does
    not match the text.
    """
    text, blank, signed = note.rpartition("\n\n")
    if not blank or not signed.endswith("\n"):
        raise BadProof("checkpoint", "it is not a signed note: text, a blank line, signatures.")
    text += "\n"
    checkpoint = _parse(text)
    if checkpoint.origin != key.name:
        raise BadProof(
            "origin", f"the checkpoint is of {checkpoint.origin}, the key is of {key.name}."
        )
    mine = [
        signature
        for name, identity, signature in map(_signature, signed[:-1].split("\n"))
        if (name, identity) == (key.name, key_id(key.name, key.public_key))
    ]
    if not mine:
        raise BadProof("key", "the checkpoint has no signature by this key.")
    public = Ed25519PublicKey.from_public_bytes(key.public_key)
    for signature in mine:
        try:
            public.verify(signature, text.encode())
        except InvalidSignature as error:
            raise BadProof(
                "signature", "it is not of this text: the checkpoint or its signature was changed."
            ) from error
    return checkpoint


def _parse(text: str) -> Checkpoint:
    lines = text[:-1].split("\n")
    root = _from_base64(lines[2]) if len(lines) == 3 else None
    if root is None or len(root) != HASH_BYTES or not _SIZE.fullmatch(lines[1]) or not lines[0]:
        raise BadProof("checkpoint", "its text is not origin, size and root, a line each.")
    return Checkpoint(lines[0], int(lines[1]), root)


def _signature(line: str) -> tuple[str, bytes, bytes]:
    """Return name, key id and signature of a signature line."""
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    data = _from_base64(encoded) or b""
    if not line.startswith(_DASH) or not _is_name(name) or len(data) <= _KEY_ID_BYTES:
        raise BadProof("signature", "a line under the checkpoint is not a signature.")
    return name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:]


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name))


# --- Links between checkpoints -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Links:
    """A checkpoint's note, and for older sizes the proofs that it extends those logs."""

    note: str
    proofs: Mapping[int, Sequence[bytes]]

    @property
    def text(self) -> str:
        """The file that says so."""
        proofs = {str(size): hex_path(path) for size, path in self.proofs.items()}
        return canonical.render({"format": LINKS_FORMAT, "checkpoint": self.note, "proofs": proofs})

    @classmethod
    def parse(cls, text: str) -> Links:
        """Return the links of a file; a bare note has none. Raises BadProof(checkpoint)."""
        if not text.startswith("{"):
            return cls(text, {})
        try:
            document = canonical.read(text)
        except NotCanonical as error:
            raise BadProof("checkpoint", f"the file can not be read: {error}.") from error
        note, proofs = document.get("checkpoint"), document.get("proofs")
        is_known = document.get("format") == LINKS_FORMAT and len(document) == 3
        if not is_known or not isinstance(note, str) or not isinstance(proofs, dict):
            raise BadProof("checkpoint", f"the file is no {LINKS_FORMAT} document.")
        return cls(note, {_size(size): read_path("consistency", proofs, size) for size in proofs})

    def verify(self, old: Checkpoint, new: Checkpoint) -> None:
        """Raise BadProof unless `new`, which is this note's, is or extends `old`."""
        if old.size not in (0, new.size) and old.size not in self.proofs:
            raise BadProof(
                "consistency",
                f"nothing links the checkpoint of {old.size} leaves to the one of {new.size}.",
            )
        path = self.proofs.get(old.size, ()) if old.size not in (0, new.size) else ()
        verify_consistency(old.size, new.size, old.root, new.root, path)


def hex_path(path: Sequence[bytes]) -> list[str]:
    """Return the hashes of a proof as documents hold them."""
    return [node.hex() for node in path]


def read_path(part: str, document: Document, name: str) -> list[bytes]:
    """Return the hashes of a proof out of a document. Raises BadProof(part)."""
    path = document.get(name)
    if not isinstance(path, list) or not all(isinstance(node, str) for node in path):
        raise BadProof(part, "it is not a list of hashes.")
    return [read_hash(part, str(node)) for node in path]


def read_hash(part: str, text: str) -> bytes:
    """Return a hash out of a document. Raises BadProof(part)."""
    if not _HASH.fullmatch(text):
        raise BadProof(part, "a hash is 64 digits of lower-case hex.")
    return bytes.fromhex(text)


def _size(text: str) -> int:
    if not _SIZE.fullmatch(text):
        raise BadProof("consistency", f"{text!r} is not the size of a log.")
    return int(text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes | None:
    """Return the bytes of a base64 text in its one canonical form; None for any other."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _base64(data) == text else None
