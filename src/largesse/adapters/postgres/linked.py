"""Linked journals in the database: chains that are posted together or not at all.

Owns their savepoints. Must not decide what a chain is: `ledger.linking` does. Invariant: the result
is that of posting the chains one after the other, each in a transaction of its own, and refusals
leave nothing of their chain.
"""

from __future__ import annotations

from collections.abc import Sequence

from largesse.adapters.postgres.statements import Query, Steps, post_journals
from largesse.ledger.journals import Journal
from largesse.ledger.linking import Chain, chains
from largesse.ledger.ports import Posted
from largesse.money.errors import DomainError, TransientError


def post_linked(journals: Sequence[Journal]) -> Steps[list[Posted | DomainError]]:
    """Post chains of journals; see `ledger.ports.Book.post_linked`.

    All chains are tried in one statement, which is exact: it accepts what could be posted one after
    the other, and nothing else. When it refuses, they are posted chain by chain.
    """
    results: dict[int, Posted | DomainError] = {}
    good: list[Chain] = []
    for chain in chains(journals):
        if chain.refusal is None:
            good.append(chain)
        else:
            results.update(dict.fromkeys(chain.members, chain.refusal))
    if good:
        order = [position for chain in good for position in chain.members]
        whole = yield from _post_or_refuse(journals, order)
        if isinstance(whole, DomainError) and len(good) > 1:
            yield _lanes([journals[position].bucket for position in order])
            for chain in good:
                alone = yield from _post_or_refuse(journals, chain.members)
                _note(results, chain.members, alone)
        else:
            _note(results, order, whole)
    return [results[position] for position in range(len(journals))]


def _note(
    results: dict[int, Posted | DomainError],
    positions: Sequence[int],
    outcome: list[Posted] | DomainError,
) -> None:
    """Keep what became of these journals; one refusal is that of all."""
    if isinstance(outcome, DomainError):
        results.update(dict.fromkeys(positions, outcome))
    else:
        results.update(zip(positions, outcome, strict=True))


def _post_or_refuse(
    journals: Sequence[Journal], positions: Sequence[int]
) -> Steps[list[Posted] | DomainError]:
    """Post some of the journals under a savepoint; a refusal is the result, and leaves nothing."""
    yield Query("SAVEPOINT ledger_chains")
    try:
        posted = yield from post_journals([journals[position] for position in positions])
    except TransientError:
        raise
    except DomainError as refusal:
        yield Query("ROLLBACK TO SAVEPOINT ledger_chains")
        yield Query("RELEASE SAVEPOINT ledger_chains")
        return refusal
    yield Query("RELEASE SAVEPOINT ledger_chains")
    return posted


def _lanes(buckets: Sequence[int]) -> Query:
    """Take the lanes of all chains in ascending order, before the first savepoint lets one go."""
    return Query(
        "SELECT 1 FROM ledger_bucket WHERE bucket = ANY (%s::smallint[]) "
        "ORDER BY bucket FOR UPDATE",
        (sorted(set(buckets)),),
    )
