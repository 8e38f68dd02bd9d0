"""Linked journals: which journals of a submission are posted together or not at all.

Owns the rules of links. Must not know how a chain is made atomic. Invariant: every journal of a
submission is in exactly one chain, chains keep the order of the submission, and a chain that breaks
a rule is refused whole while the others go on.

A journal names at most one other journal of its submission; whatever hangs together by such links,
in either direction, is one chain. The same id twice is one journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from largesse.ledger.errors import BadJournal, Fault
from largesse.ledger.journals import Journal, booked

LONGEST_CHAIN = 100


@dataclass(frozen=True, slots=True)
class Chain:
    """Positions in the submission, ascending, and why none of them may be posted, if so."""

    members: tuple[int, ...]
    refusal: BadJournal | None = None


def chains(journals: Sequence[Journal]) -> list[Chain]:
    """Divide a submission into chains, in the order of their first journals."""
    by_id: dict[UUID, Journal] = {}
    for journal in journals:
        by_id.setdefault(journal.id, journal)
    heads = _heads(by_id)
    members: dict[UUID, list[int]] = {}
    for position, journal in enumerate(journals):
        members.setdefault(heads[journal.id], []).append(position)
    return [
        Chain(tuple(positions), _refusal([journals[i] for i in positions], by_id))
        for positions in members.values()
    ]


def _heads(by_id: Mapping[UUID, Journal]) -> dict[UUID, UUID]:
    """For every id one id that stands for its chain."""
    above = {key: key for key in by_id}

    def head(key: UUID) -> UUID:
        while above[key] != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    for key, journal in by_id.items():
        if journal.linked_to in above:
            above[head(key)] = head(journal.linked_to)
    return {key: head(key) for key in by_id}


def _refusal(chain: Sequence[Journal], by_id: Mapping[UUID, Journal]) -> BadJournal | None:
    """The first rule, in the order of `Fault`, that a chain breaks."""
    for journal in chain:
        if booked(journal) != booked(by_id[journal.id]):
            return BadJournal(f"{journal.id} comes twice with different content.", Fault.ID_TWICE)
    for journal in chain:
        if journal.linked_to is not None and journal.linked_to not in by_id:
            return BadJournal(
                f"{journal.id} is linked to {journal.linked_to}, which was not submitted with it.",
                Fault.LINK_TO_NOBODY,
            )
    links = {journal.id: journal.linked_to for journal in chain}
    if all(links.values()):
        # As many links as journals: following them never ends.
        return BadJournal(f"The links of {chain[0].id} lead back to it.", Fault.LINK_CYCLE)
    if len(links) > LONGEST_CHAIN:
        return BadJournal(
            f"A chain has at most {LONGEST_CHAIN} journals, not {len(links)}.",
            Fault.CHAIN_TOO_LONG,
        )
    return None
