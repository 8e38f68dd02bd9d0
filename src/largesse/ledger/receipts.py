"""Receipts: what is sealed of a posting, and how a holder proves it to a stranger.

Owns the canonical entry of every posting, its salts, and the receipt with its verification. Must
not know tables, keys on disk or pages. Invariants: an entry names nobody, since holders stand in it
as salted hashes that only their own receipt opens; and a receipt of which any bit was changed does
not verify, and says which part is wrong.

Source: docs/guides/receipts.md, which defines every byte.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from largesse.ledger import canonical
from largesse.ledger.canonical import Document, NotCanonical
from largesse.ledger.checkpoints import (
    Checkpoint,
    Links,
    VerifierKey,
    hex_path,
    open_note,
    read_hash,
    read_path,
)
from largesse.ledger.merkle import BadProof, leaf_hash, root_by_inclusion
from largesse.money.ids import FAN_BUCKETS, PLATFORM, HolderId, public_id

RECEIPT_FORMAT = "largesse-receipt/1"
ENTRY_VERSION = 1
FAN, CREATOR, PLATFORM_SIDE = "fan", "creator", "platform"
_SIDES = (FAN, CREATOR, PLATFORM_SIDE)
_MEMBERS = frozenset(
    {"format", "side", "entry", "entry_hash", "salt", "opening", "leaf", "path", "checkpoint"}
    | {"key"}
)


# --- What is sealed ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SealedGift:
    """A gift as its row stands. Coins are whole; ranges are serials of the fan's wallet."""

    bucket: int
    seq: int
    at: datetime
    id: UUID
    fan: HolderId
    creator: HolderId
    room: int
    gift: int
    count: int
    coins: int
    bonus: int
    policy: int
    streak_seq: int
    prev_seq: int
    paid: tuple[int, int]
    bonus_range: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SealedJournal:
    """A journal as its rows stand; amounts are minor units, `transfers` in the order of lines.

    A transfer is (debit, credit, asset, amount), a lot (class, start, stop, price, tax, currency,
    channel, reference, expiry or ""), a void range (class, start, stop).
    """

    bucket: int
    seq: int
    at: datetime
    id: UUID
    event: str
    holder: HolderId
    reference: str
    detail: str
    transfers: tuple[tuple[str, str, str, int], ...]
    lots: tuple[tuple[str, int, int, int, int, str, str, str, str], ...] = ()
    voids: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Salts:
    """Salts of entries and openings: nobody can guess them without the operator's key."""

    key: bytes = field(repr=False)

    def of(self, role: str, bucket: int, seq: int) -> str:
        """Return the salt of one role of one posting, as 64 hex digits."""
        return hmac.digest(self.key, f"{role}:{bucket}:{seq}".encode(), "sha256").hex()

    @property
    def check(self) -> bytes:
        """What tells two keys apart without showing either."""
        return hmac.digest(self.key, b"check", "sha256")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one leaf is made of: its canonical document, its salt, and who may open what in it."""

    document: Document
    salt: str
    openings: Mapping[str, Document]
    holders: Mapping[str, HolderId]

    @property
    def leaf(self) -> bytes:
        """The leaf's hash."""
        return entry_leaf(self.salt, self.document)


def entry_leaf(salt: str, document: Document) -> bytes:
    """Return the hash of a leaf: of the salt's 32 bytes and the entry's canonical bytes."""
    return leaf_hash(bytes.fromhex(salt) + canonical.canonical(document))


def commitment(opening: Document) -> str:
    """Return the hash that stands in an entry for what an opening discloses."""
    return hashlib.sha256(canonical.canonical(opening)).hexdigest()


def entry_of_gift(gift: SealedGift, salts: Salts) -> Entry:
    """Return the entry of a gift: the fan's side and the creator's are each hidden."""
    place = gift.bucket, gift.seq
    openings: dict[str, Document] = {
        FAN: {
            "side": FAN,
            "salt": salts.of(FAN, *place),
            "holder": public_id("usr", gift.fan),
            "bucket": gift.bucket,
            "seq": gift.seq,
            "previous": gift.prev_seq,
            "streak": gift.streak_seq,
            "bonus": gift.bonus,
            "paid_serials": gift.paid,
            "bonus_serials": gift.bonus_range,
        },
        CREATOR: {
            "side": CREATOR,
            "salt": salts.of(CREATOR, *place),
            "holder": public_id("usr", gift.creator),
            "room": public_id("room", gift.room),
        },
    }
    document: Document = {
        "version": ENTRY_VERSION,
        "kind": "gift",
        "id": f"gft_{gift.id}",
        "at": timestamp(gift.at),
        "gift": gift.gift,
        "count": gift.count,
        "coins": gift.coins,
        "policy": gift.policy,
        **{side: commitment(opening) for side, opening in openings.items()},
    }
    holders = {FAN: gift.fan, CREATOR: gift.creator}
    return Entry(document, salts.of("entry", *place), openings, holders)


def entry_of_journal(journal: SealedJournal, salts: Salts) -> Entry:
    """Return the entry of any other posting: whose it is, is hidden. It has one side."""
    place = journal.bucket, journal.seq
    is_personal = journal.holder != PLATFORM
    side = (FAN if journal.bucket < FAN_BUCKETS else CREATOR) if is_personal else PLATFORM_SIDE
    opening: Document = {
        "side": side,
        "salt": salts.of(side, *place),
        "holder": public_id("usr", journal.holder) if is_personal else "platform",
        "bucket": journal.bucket,
        "seq": journal.seq,
    }
    document: Document = {
        "version": ENTRY_VERSION,
        "kind": journal.event,
        "id": journal.reference,
        "journal": str(journal.id),
        "at": timestamp(journal.at),
        "detail": journal.detail,
        "transfers": journal.transfers,
        "lots": journal.lots,
        "voids": journal.voids,
        side: commitment(opening),
    }
    return Entry(document, salts.of("entry", *place), {side: opening}, {side: journal.holder})


def timestamp(at: datetime) -> str:
    """Return a time as entries hold it: UTC, microseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


# --- The receipt ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """One side's proof that an entry is in the log of a signed checkpoint."""

    side: str
    entry: Document
    entry_hash: bytes
    salt: str
    opening: Document
    index: int
    leaf: bytes
    path: tuple[bytes, ...]
    note: str
    key: str

    @classmethod
    def of(
        cls, entry: Entry, side: str, index: int, path: list[bytes], note: str, key: str
    ) -> Receipt:
        """Return the receipt of one side of an entry."""
        digest = hashlib.sha256(canonical.canonical(entry.document)).digest()
        opening, leaf = entry.openings[side], entry.leaf
        salt, hashes = entry.salt, tuple(path)
        return cls(side, entry.document, digest, salt, opening, index, leaf, hashes, note, key)

    @property
    def text(self) -> str:
        """The receipt's file."""
        return canonical.render(
            {
                "format": RECEIPT_FORMAT,
                "side": self.side,
                "entry": self.entry,
                "entry_hash": self.entry_hash.hex(),
                "salt": self.salt,
                "opening": self.opening,
                "leaf": {"index": self.index, "hash": self.leaf.hex()},
                "path": hex_path(self.path),
                "checkpoint": self.note,
                "key": self.key,
            }
        )

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Return the receipt of a file. Raises BadProof with the part that has no right form."""
        try:
            document: dict[str, Any] = canonical.read(text)
        except NotCanonical as error:
            raise BadProof("format", f"the file can not be read: {error}.") from error
        if document.get("format") != RECEIPT_FORMAT or set(document) != _MEMBERS:
            raise BadProof("format", f"the file is no {RECEIPT_FORMAT} document.")
        for name, kind in (("entry", dict), ("opening", dict), ("leaf", dict), ("side", str)):
            if not isinstance(document[name], kind):
                raise BadProof(name, "it has another form than a receipt gives it.")
        leaf = document["leaf"]
        if set(leaf) != {"index", "hash"} or not isinstance(leaf["index"], int):
            raise BadProof("leaf", "it is not an index and a hash.")
        return cls(
            document["side"],
            document["entry"],
            read_hash("entry", str(document["entry_hash"])),
            read_hash("salt", str(document["salt"])).hex(),
            document["opening"],
            leaf["index"],
            read_hash("leaf", str(leaf["hash"])),
            tuple(read_path("path", document, "path")),
            str(document["checkpoint"]),
            str(document["key"]),
        )

    def verify(self, key: VerifierKey | None = None) -> Checkpoint:
        """Return the receipt's own checkpoint once everything in it holds.

        Without a `key` the one inside is believed: compare it with the operator's published one.
        Raises BadProof, whose part is key, origin, checkpoint, signature, entry, salt, leaf, path,
        root or opening.
        """
        own = VerifierKey.parse(self.key)
        if key is not None and key != own:
            raise BadProof("key", "the receipt names another key than the one that you trust.")
        checkpoint = open_note(self.note, own)
        self._verify_leaf(checkpoint)
        self._verify_opening()
        return checkpoint

    def verify_against(self, anchor: Links, key: VerifierKey | None = None) -> Checkpoint:
        """Return a checkpoint that was handed in once it is shown to contain this receipt's entry.

        The checkpoint must be the receipt's own, or a later one whose links lead back to it.
        Raises BadProof: as `verify`, and `consistency` and `root` where the two do not fit.
        """
        own = self.verify(key)
        handed = open_note(anchor.note, VerifierKey.parse(self.key))
        if handed.size < own.size:
            raise BadProof(
                "checkpoint",
                f"it has {handed.size} leaves and the receipt was proved at {own.size}. "
                "Ask for one at this checkpoint: largesse receipt show ID --checkpoint FILE.",
            )
        anchor.verify(own, handed)
        return handed

    def _verify_leaf(self, checkpoint: Checkpoint) -> None:
        """Tell which of entry, salt, leaf, path and root is wrong, if any is."""
        place = self.index, checkpoint.size
        computed = entry_leaf(self.salt, self.entry)
        digest = hashlib.sha256(canonical.canonical(self.entry)).digest()
        is_entry = digest == self.entry_hash
        if computed == self.leaf:
            if not is_entry:
                raise BadProof("entry", "its hash was changed.")
            if root_by_inclusion(self.leaf, *place, self.path) != checkpoint.root:
                raise BadProof(
                    "path",
                    "it does not lead from the leaf to the signed root: the path, the "
                    "leaf's index or the root is another one.",
                )
            return
        if root_by_inclusion(computed, *place, self.path) == checkpoint.root:
            raise BadProof("leaf", "its hash was changed; the entry is the sealed one.")
        if not is_entry:
            raise BadProof("entry", "it is not what was sealed.")
        raise BadProof("salt", "it is not the salt under which the entry was sealed.")

    def _verify_opening(self) -> None:
        if self.side not in _SIDES or self.opening.get("side") != self.side:
            raise BadProof("opening", "it is of another side than the receipt.")
        if self.entry.get(self.side) != commitment(self.opening):
            raise BadProof("opening", "it does not open what was sealed.")
