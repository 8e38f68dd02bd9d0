"""The Merkle tree against a plain reading of RFC 6962: sizes 0 to 64, every index, every pair."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from random import Random

import pytest

from largesse.ledger.merkle import (
    EMPTY_ROOT,
    BadProof,
    Edge,
    Node,
    Span,
    Tile,
    complete_nodes,
    consistency_spans,
    fold,
    inclusion_spans,
    leaf_hash,
    root_by_inclusion,
    root_of_slice,
    slice_of,
    verify_consistency,
)

SIZES = range(65)
DATA = [f"entry {i}".encode() * (i % 5) for i in range(70_000)]


# --- RFC 6962, section 2.1, written down as it stands ---------------------------------------------


def mth(data: list[bytes]) -> bytes:
    if not data:
        return hashlib.sha256().digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = power_below(len(data))
    return hashlib.sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def audit_path(m: int, data: list[bytes]) -> list[bytes]:
    if len(data) == 1:
        return []
    k = power_below(len(data))
    if m < k:
        return [*audit_path(m, data[:k]), mth(data[k:])]
    return [*audit_path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], b: bool) -> list[bytes]:
    if m == len(data):
        return [] if b else [mth(data)]
    k = power_below(len(data))
    if m <= k:
        return [*subproof(m, data[:k], b), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


ROOTS = [mth(DATA[:size]) for size in SIZES]


# --- Our own proofs, read out of tiles and the edge -----------------------------------------------


class Log:
    """A log in memory: an edge and its tiles."""

    def __init__(self) -> None:
        self.edge = Edge()
        self.tiles: dict[tuple[int, int], Tile] = {}

    def append(self, leaves: list[bytes]) -> None:
        self.edge, tiles = self.edge.grown(leaves)
        for tile in tiles:
            assert (tile.level, tile.number) not in self.tiles, "a tile is written once"
            self.tiles[tile.level, tile.number] = tile

    def node(self, node: Node) -> bytes:
        wanted = slice_of(node)
        found = self.edge.read(wanted)
        if found is None:
            tile = self.tiles[wanted.level, wanted.tile].hashes
            found = tile[32 * wanted.offset : 32 * (wanted.offset + wanted.count)]
        return root_of_slice(found, wanted.count)

    def span(self, span: Span) -> bytes:
        return fold([self.node(node) for node in complete_nodes(span)])

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return [self.span(span) for span in inclusion_spans(index, size)]

    def consistency(self, old: int, new: int) -> list[bytes]:
        return [self.span(span) for span in consistency_spans(old, new)]


def log_of(size: int) -> Log:
    log = Log()
    log.append([leaf_hash(data) for data in DATA[:size]])
    return log


LOG = log_of(64)


def test_the_empty_log_has_the_root_of_the_standard() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert EMPTY_ROOT.hex() == Edge().root.hex() == empty


@pytest.mark.parametrize("size", SIZES)
def test_roots_agree_with_the_standard(size: int) -> None:
    assert log_of(size).edge.root == ROOTS[size]


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_of_every_size_is_proved_as_the_standard_says(size: int) -> None:
    for index in range(size):
        path = LOG.inclusion(index, size)
        assert path == audit_path(index, DATA[:size])
        assert root_by_inclusion(leaf_hash(DATA[index]), index, size, path) == ROOTS[size]


@pytest.mark.parametrize("new", SIZES)
def test_every_pair_of_sizes_is_consistent_as_the_standard_says(new: int) -> None:
    verify_consistency(0, new, ROOTS[0], ROOTS[new], [])
    for old in range(1, new + 1):
        path = LOG.consistency(old, new)
        assert path == subproof(old, DATA[:new], True)
        verify_consistency(old, new, ROOTS[old], ROOTS[new], path)


def test_a_path_proves_nothing_else() -> None:
    """No other leaf, index, length or hash; every pair of indexes of every size up to 16."""
    for size in range(1, 17):
        for index in range(size):
            path, leaf = LOG.inclusion(index, size), leaf_hash(DATA[index])
            for other in range(size + 2):
                if other != index:
                    assert_not_root(ROOTS[size], leaf, other, size, path)
            assert_not_root(ROOTS[size], leaf_hash(DATA[index] + b"!"), index, size, path)
            for cut in (path[:-1], [*path, leaf], [*path, *path[-1:]]):
                if cut != path:
                    assert_not_root(ROOTS[size], leaf, index, size, cut)


def assert_not_root(root: bytes, leaf: bytes, index: int, size: int, path: list[bytes]) -> None:
    with suppress(BadProof):
        assert root_by_inclusion(leaf, index, size, path) != root


@pytest.mark.parametrize("new", range(2, 34))
def test_a_fork_or_a_cut_is_not_consistent(new: int) -> None:
    """Another leaf anywhere below the old size, or a log that lost its tail."""
    for old in range(1, new):
        path = LOG.consistency(old, new)
        for changed in {0, old // 2, old - 1}:
            fork = [leaf_hash(data) for data in DATA[:new]]
            fork[changed] = leaf_hash(b"another")
            forked = Log()
            forked.append(fork)
            with pytest.raises(BadProof, match="cut or forked"):
                verify_consistency(
                    old, new, ROOTS[old], forked.edge.root, forked.consistency(old, new)
                )
        with pytest.raises(BadProof):
            verify_consistency(old, new, ROOTS[old], ROOTS[new], path[:-1])
        with pytest.raises(BadProof):
            verify_consistency(old, new, ROOTS[old], ROOTS[new], [*path, ROOTS[1]])
        with pytest.raises(BadProof, match="does not extend"):
            verify_consistency(new, old, ROOTS[new], ROOTS[old], path)


def test_two_roots_of_one_size_are_a_fork() -> None:
    with pytest.raises(BadProof, match="fork") as bad:
        verify_consistency(5, 5, ROOTS[5], ROOTS[6], [])
    assert bad.value.part == "root"
    verify_consistency(5, 5, ROOTS[5], ROOTS[5], [])
    with pytest.raises(BadProof, match="none are needed"):
        verify_consistency(5, 5, ROOTS[5], ROOTS[5], [ROOTS[1]])
    with pytest.raises(BadProof, match="too short"):
        verify_consistency(5, 7, ROOTS[5], ROOTS[7], [])


def test_a_large_log_grown_in_any_portions_is_the_same_log() -> None:
    """Three levels of tiles: 70,000 leaves, in one portion and in hundreds."""
    leaves = [leaf_hash(data) for data in DATA]
    whole, parts, random = Log(), Log(), Random(6962)
    whole.append(leaves)
    done = 0
    while done < len(leaves):
        step = random.choice((1, 3, 255, 256, 257, 1000, 5000))
        parts.append(leaves[done : done + step])
        done += step
    assert whole.edge == parts.edge
    assert whole.tiles == parts.tiles
    assert {level for level, _ in whole.tiles} == {0, 1}
    assert whole.edge.root == mth(DATA)
    for _ in range(200):
        size = random.randrange(2, len(leaves) + 1)
        index, old = random.randrange(size), random.randrange(1, size)
        path = whole.inclusion(index, size)
        assert len(path) <= 17
        assert root_by_inclusion(leaves[index], index, size, path) == whole.span(Span(0, size))
        verify_consistency(
            old,
            size,
            whole.span(Span(0, old)),
            whole.span(Span(0, size)),
            whole.consistency(old, size),
        )


def test_damage_to_the_edge_or_a_tile_is_noticed() -> None:
    with pytest.raises(BadProof, match="edge"):
        Edge(5, b"\x00" * 32 * 4)
    with pytest.raises(BadProof, match="damaged or missing"):
        root_of_slice(b"", 1)
    with pytest.raises(BadProof, match="no leaf 5"):
        inclusion_spans(5, 5)
    with pytest.raises(BadProof, match="does not extend"):
        consistency_spans(6, 5)
