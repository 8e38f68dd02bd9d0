"""Verifies a receipt, alone: python verify_receipt.py RECEIPT [--checkpoint FILE] [--key FILE].

Owns a second reading of docs/guides/receipts.md, with nothing of the product in it: the standard
library and `cryptography`. Exit code 0: it holds; 1: it does not, and the part that is wrong is
named. Invariant: a receipt of which any bit was changed does not verify.
"""

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def need(holds: object, part: str, why: str) -> None:
    if not holds:
        raise ValueError(f"{part}: {why}")


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_document(data: bytes, part: str) -> dict[str, Any]:
    try:
        value = json.loads(data.decode())
        exact = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{part}: the file is not JSON in UTF-8: {error}") from error
    need(isinstance(value, dict) and exact.encode() == data, part, "the file was changed")
    return dict(value)


def decode(text: Any, part: str, form: str = "hex") -> bytes:
    try:
        data = bytes.fromhex(text) if form == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{part}: that is not {form}") from error
    again = data.hex() if form == "hex" else base64.b64encode(data).decode()
    need(again == text and (form != "hex" or len(data) == 32), part, f"that is not our {form}")
    return data


def read_note(note: object, key: object) -> tuple[int, bytes]:
    """Size and root of a checkpoint (C2SP tlog-checkpoint) that `name+id+base64` has signed."""
    name, identity, encoded = (*str(key).split("+", 2), "", "")[:3]
    public = decode(encoded, "key", "base64")
    mine = sha(name.encode() + b"\n" + public)[:4]
    need(identity == mine.hex() and public[:1] == b"\1", "key", "its parts do not agree")
    text, _, signatures = str(note).rpartition("\n\n")
    lines, found = text.split("\n"), False
    need(len(lines) == 3 and signatures.endswith("\n"), "checkpoint", "it is not a signed note")
    need(lines[0] == name, "origin", f"it is of {lines[0]!r}, the key of {name!r}")
    need(lines[1].isdecimal() and str(int(lines[1])) == lines[1], "checkpoint", "no size")
    root = decode(lines[2], "checkpoint", "base64")
    for line in signatures[:-1].split("\n"):
        dash, signer, encoded = (*line.split(" ", 2), "", "")[:3]
        data = decode(encoded, "signature", "base64")
        need(dash == "\u2014" and signer, "signature", "a line is not a signature")
        if (signer, data[:4]) == (name, mine):
            try:
                Ed25519PublicKey.from_public_bytes(public[1:]).verify(
                    data[4:], f"{text}\n".encode()
                )
            except InvalidSignature as error:
                raise ValueError("signature: it is not of this checkpoint") from error
            found = True
    need(found, "key", "the checkpoint has no signature by this key")
    return int(lines[1]), root


def climb(place: int, last: int, start: bytes, path: list[bytes], part: str) -> tuple[bytes, bytes]:
    """RFC 9162, 2.1.3.2 and 2.1.4.2: the roots over the leaves up to `place`, and over all."""
    was = now = start
    for node in path:
        need(last > 0, part, "it is too long")
        if place & 1 or place == last:
            was, now = sha(b"\x01" + node + was), sha(b"\x01" + node + now)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            now = sha(b"\x01" + now + node)
        place, last = place >> 1, last >> 1
    need(last == 0, part, "it is too short")
    return was, now


def check(data: bytes, held: bytes | None = None, links: bytes = b"", trusted: str = "") -> str:
    """Return what holds; raise ValueError("part: why") where anything does not."""
    doc = read_document(data, "format")
    names = ["checkpoint", "entry", "entry_hash", "format", "key", "leaf", "opening", "path"]
    right = sorted(doc) == [*names, "salt", "side"] and doc["format"] == "largesse-receipt/1"
    need(right, "format", "it is no largesse-receipt/1")
    need(trusted in ("", doc["key"]), "key", "it is not the key that you trust")
    old, old_root = read_note(doc["checkpoint"], doc["key"])
    entry, opening, side, leaf = (doc[name] for name in ("entry", "opening", "side", "leaf"))
    need(sha(canonical(entry)).hex() == doc["entry_hash"], "entry", "it is not what was sealed")
    mine = sha(b"\x00" + decode(doc["salt"], "salt") + canonical(entry))
    need(sorted(leaf) == ["hash", "index"], "leaf", "it is not an index and a hash")
    need(type(leaf["index"]) is int and 0 <= leaf["index"] < old, "leaf", "there is no such leaf")
    path = [decode(node, "path") for node in doc["path"]]
    in_log = climb(leaf["index"], old - 1, mine, path, "path")[1] == old_root
    need(in_log or mine.hex() == leaf["hash"], "salt", "the entry was sealed under another")
    need(mine.hex() == leaf["hash"], "leaf", "its hash was changed")
    need(in_log, "path", "it does not lead from the leaf to the signed root")
    known = side in ("fan", "creator", "platform") and opening["side"] == side
    need(known and entry[side] == sha(canonical(opening)).hex(), "opening", "it opens nothing here")
    if held is None:
        return f"leaf {leaf['index']} of {old}"
    file = read_document(held, "checkpoint") if held[:1] == b"{" else {}
    new, new_root = read_note(file.get("checkpoint", held.decode(errors="replace")), doc["key"])
    right = not file or (len(file) == 3 and file["format"] == "largesse-consistency/1")
    need(right, "checkpoint", "it is no largesse-consistency/1")
    need(old <= new, "checkpoint", f"it has {new} leaves, the receipt needs {old}")
    need(old != new or old_root == new_root, "root", "one of the two checkpoints is a fork")
    if old < new:
        file = file or (read_document(links, "consistency") if links else {"proofs": {}})
        need(str(old) in file["proofs"], "consistency", f"nothing links {old} leaves to {new}")
        path = [decode(node, "consistency") for node in file["proofs"][str(old)]]
        path = [old_root, *path] if old & (old - 1) == 0 else path
        shift = (old & -old).bit_length() - 1
        roots = climb((old - 1) >> shift, (new - 1) >> shift, path[0], path[1:], "consistency")
        need(roots == (old_root, new_root), "consistency", "the log was changed, cut or forked")
    return f"leaf {leaf['index']} of {old}, in the log of {new}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Verifies a receipt.")
    for name in ("receipt", "--checkpoint", "--key"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    held = given.checkpoint.read_bytes() if given.checkpoint else None
    beside = Path(f"{given.checkpoint}.links")
    links = beside.read_bytes() if beside.is_file() else b""
    trusted = given.key.read_text().strip() if given.key else ""
    try:
        print("holds:", check(given.receipt.read_bytes(), held, links, trusted))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as wrong:
        sys.exit(f"does not hold: {wrong}")
