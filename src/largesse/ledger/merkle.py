"""The Merkle tree of RFC 6962: hashes, proofs, and the growing edge of a log.

Owns how leaves become a root, which subtrees a proof names, and how a proof is checked. Must not
know what a leaf holds or where tiles are stored. Invariant: a tree only grows to the right, so a
complete subtree never changes and is stored once, in tiles of 256 hashes.

Source: RFC 6962 section 2.1 (hashes and proofs), RFC 9162 sections 2.1.3.2 and 2.1.4.2 (their
verification), C2SP tlog-tiles (the shape of tiles).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from largesse.money.errors import DomainError

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

EMPTY_ROOT = hashlib.sha256(b"").digest()


class BadProof(DomainError):
    """A proof does not hold; `part` names what is wrong with it. A retry does not help."""

    code = "bad_proof"

    def __init__(self, part: str, message: str) -> None:
        super().__init__(f"{part}: {message}", part=part)
        self.part = part


# --- Hashes --------------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(subtrees: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees that stand side by side, the largest first."""
    if not subtrees:
        return EMPTY_ROOT
    *larger, root = subtrees
    for left in reversed(larger):
        root = node_hash(left, root)
    return root


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


# --- Which subtrees a proof needs ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """The leaves from `start` up to and excluding `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Node:
    """The complete subtree number `number` among those of 2**height leaves."""

    height: int
    number: int


def complete_nodes(span: Span) -> list[Node]:
    """Return the complete subtrees that make up a span of a proof, the largest first."""
    nodes, start = [], span.start
    while start < span.end:
        height = (span.end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        nodes.append(Node(height, start >> height))
        start += 1 << height
    return nodes


def inclusion_spans(index: int, size: int) -> list[Span]:
    """Return the spans whose hashes are the audit path of a leaf, from the leaf up."""
    if not 0 <= index < size:
        raise BadProof("leaf", f"there is no leaf {index} in a log of {size}.")
    spans, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """Return the spans whose hashes prove that the log of `new` leaves extends the one of `old`."""
    if not 0 < old <= new:
        raise BadProof("consistency", f"a log of {new} leaves does not extend one of {old}.")
    spans, start, end, is_known = [], 0, new, True
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start, is_known = middle, False
    if not is_known:
        spans.append(Span(start, end))
    return spans[::-1]


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least two."""
    return 1 << ((size - 1).bit_length() - 1)


# --- Checking a proof ----------------------------------------------------------------------------


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that an audit path leads to. Raises BadProof where its length is wrong."""
    if not 0 <= index < size:
        raise BadProof("leaf", f"there is no leaf {index} in a log of {size}.")
    place, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise BadProof("path", "it is longer than the log is high.")
        if place & 1 or place == last:
            root = node_hash(sibling, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise BadProof("path", "it is shorter than the log is high.")
    return root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Raise BadProof unless `path` proves that the log of `new` leaves extends the one of `old`."""
    if old > new:
        raise BadProof("consistency", f"a log of {new} leaves does not extend one of {old}.")
    if old in (0, new):
        if path:
            raise BadProof("consistency", "it has hashes where none are needed.")
        if old == new and old_root != new_root:
            raise BadProof("root", f"two logs of {new} leaves differ: one of them is a fork.")
        return
    # A power of two is a complete subtree, whose hash the verifier has already.
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        raise BadProof("consistency", "it is too short.")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    was = now = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise BadProof("consistency", "it is too long.")
        if place & 1 or place == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            now = node_hash(now, sibling)
        place, last = place >> 1, last >> 1
    if last or was != old_root or now != new_root:
        raise BadProof(
            "consistency",
            f"the log of {new} leaves does not extend the one of {old}: "
            "the proof was changed, or the log was cut or forked.",
        )


# --- The growing log -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tile:
    """256 hashes that never change: level 0 holds leaves, each higher one roots of tiles below."""

    level: int
    number: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class Slice:
    """Where the hashes under a node lie: `count` of them from `offset` in a tile."""

    level: int
    tile: int
    offset: int
    count: int


def slice_of(node: Node) -> Slice:
    """Return where to read a complete subtree; at most 128 hashes give its root."""
    level, above = divmod(node.height, TILE_HEIGHT)
    first = node.number << above
    return Slice(level, first >> TILE_HEIGHT, first & (TILE_WIDTH - 1), 1 << above)


def root_of_slice(hashes: bytes, count: int) -> bytes:
    """Return the root over the bytes of a slice. Raises BadProof where some are missing."""
    if len(hashes) != count * HASH_BYTES:
        raise BadProof("root", "a tile of the log is damaged or missing.")
    return complete_root(_hashes(hashes))


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a log: at each level the hashes that do not fill a tile yet.

    `hashes` is all of them in one piece, the leaves' level first; how many each level has follows
    from the size.
    """

    size: int = 0
    hashes: bytes = b""

    def __post_init__(self) -> None:
        if len(self.hashes) != HASH_BYTES * sum(_edge_counts(self.size)):
            raise BadProof("root", "the edge of the log is damaged.")

    @property
    def root(self) -> bytes:
        """The root of the log as it stands."""
        subtrees: list[bytes] = []
        for level in reversed(self._levels()):
            hashes, start = _hashes(level), 0
            for node in complete_nodes(Span(0, len(hashes))):
                width = 1 << node.height
                subtrees.append(complete_root(hashes[start : start + width]))
                start += width
        return fold(subtrees)

    def grown(self, leaves: Sequence[bytes]) -> tuple[Edge, list[Tile]]:
        """Return the edge after more leaves, and the tiles that they completed."""
        levels = [bytearray(level) for level in self._levels()] or [bytearray()]
        levels[0] += b"".join(leaves)
        tiles: list[Tile] = []
        level, width = 0, TILE_WIDTH * HASH_BYTES
        while level < len(levels):
            number = self.size >> TILE_HEIGHT * (level + 1)
            waiting = levels[level]
            whole = len(waiting) // width * width
            for start in range(0, whole, width):
                tile = Tile(level, number, bytes(waiting[start : start + width]))
                tiles.append(tile)
                if level + 1 == len(levels):
                    levels.append(bytearray())
                levels[level + 1] += root_of_slice(tile.hashes, TILE_WIDTH)
                number += 1
            del waiting[:whole]
            level += 1
        return Edge(self.size + len(leaves), b"".join(levels)), tiles

    def read(self, wanted: Slice) -> bytes | None:
        """Return the bytes of a slice that lies in the edge; None when its tile is complete."""
        if wanted.tile < self.size >> TILE_HEIGHT * (wanted.level + 1):
            return None
        levels = self._levels()
        level = levels[wanted.level] if wanted.level < len(levels) else b""
        start = wanted.offset * HASH_BYTES
        return level[start : start + wanted.count * HASH_BYTES]

    def _levels(self) -> list[bytes]:
        levels, start = [], 0
        for count in _edge_counts(self.size):
            levels.append(self.hashes[start : start + count * HASH_BYTES])
            start += count * HASH_BYTES
        return levels


def _edge_counts(size: int) -> list[int]:
    """Return how many hashes wait at each level of a log of this size."""
    counts = []
    while size:
        counts.append(size & (TILE_WIDTH - 1))
        size >>= TILE_HEIGHT
    return counts


def _hashes(joined: bytes) -> list[bytes]:
    return [joined[i : i + HASH_BYTES] for i in range(0, len(joined), HASH_BYTES)]
