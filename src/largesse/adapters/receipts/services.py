"""The receipt desk: seals what is committed, signs, and hands receipts and checkpoints out.

Owns the transactions of the log on Django's connection. Must not know who may see a receipt.
Invariant: each step is a transaction of its own, and whatever leaves here is remembered as
published, so that later checkpoints are linked to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from django.db import transaction

from largesse.adapters.postgres import proofs, sealing
from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.proofs import NotSealed, Proved, UnknownPosting
from largesse.adapters.postgres.statements import Steps
from largesse.adapters.receipt_key import ReceiptKey
from largesse.ledger.checkpoints import Checkpoint, Links, SigningKey, VerifierKey, open_note
from largesse.ledger.receipts import Entry
from largesse.money.ids import HolderId

T = TypeVar("T")
STEPS_A_CHECKPOINT = 20
"""While much is waiting a checkpoint is signed after as many steps, well within a minute."""


def seal_pending(key: ReceiptKey, *, most_steps: int | None = None, wait: bool = True) -> bool:
    """Seal what is committed at the call, in steps; returns false where `most_steps` did not do.

    Where another sealer is at work it is waited for, or left to it if `wait` is false.
    """
    done = 0
    while most_steps is None or done < most_steps:
        added = _atomic(sealing.seal(key, wait=wait, limit=sealing.STEP_LEAVES))
        if added is None or added < sealing.STEP_LEAVES:
            return True
        done += 1
    return False


def sealed_leaves(key: ReceiptKey) -> int:
    """Return how many postings are sealed. Raises WrongReceiptKey."""
    return _atomic(sealing.begin(key)).size


def keep_sealed(key: ReceiptKey, now: datetime) -> bool:
    """Bring the log forward and sign it where it grew; returns whether all is sealed."""
    is_done = seal_pending(key, most_steps=STEPS_A_CHECKPOINT, wait=False)
    sign(key, now)
    return is_done


def sign(key: ReceiptKey, now: datetime) -> str:
    """Return the note of the log as it stands; it is stored."""
    return _atomic(sealing.sign_head(key, now))


def new_checkpoint(key: ReceiptKey, now: datetime) -> Links:
    """Seal all that is committed and return a published checkpoint with its links to older ones."""
    seal_pending(key)
    note = sign(key, now)
    links = _atomic(proofs.links_to(note, key))
    _atomic(sealing.publish(open_note(note, verifier(key)).size, now))
    return links


def link(note: str, old: Checkpoint, key: ReceiptKey) -> Links:
    """Link a checkpoint of this log to an older one.

    Raises BadProof where the log does not extend it: it was forked, or is of another key.
    """
    links = _atomic(proofs.links_to(note, key, sizes=[old.size]))
    links.verify(old, open_note(note, verifier(key)))
    return links


def issue(
    name: str,
    key: ReceiptKey,
    now: datetime,
    *,
    at_size: int | None = None,
    most_steps: int | None = None,
) -> Proved:
    """Prove a posting by its public id; what is not sealed yet is sealed first.

    Raises UnknownPosting, and NotSealed where `most_steps` was not enough.
    """
    try:
        found = prove(name, key, at_size=at_size)
    except (NotSealed, UnknownPosting):
        if at_size is not None:
            raise
        seal_pending(key, most_steps=most_steps)
        sign(key, now)
        found = prove(name, key)
    _atomic(sealing.publish(found.head.size, now))
    return found


def prove(name: str, key: ReceiptKey, *, at_size: int | None = None) -> Proved:
    """Prove a posting as the log stands. Raises UnknownPosting and NotSealed."""

    def steps() -> Steps[Proved]:
        place = yield from proofs.find_place(name)
        return (yield from proofs.prove(place, key, at_size=at_size))

    return _atomic(steps())


def parties(name: str, key: ReceiptKey) -> Mapping[str, HolderId]:
    """Return whose posting it is, by side, sealed or not. Raises UnknownPosting."""

    def steps() -> Steps[Entry]:
        place = yield from proofs.find_place(name)
        return (yield from proofs.read_entry(place, key))

    return _atomic(steps()).holders


def verifier(key: ReceiptKey) -> VerifierKey:
    """Return the public key of the log, under the log's name."""
    return SigningKey(_atomic(sealing.begin(key)).origin, key.seed).verifier


def _atomic(steps: Steps[T]) -> T:
    with transaction.atomic():
        return run(steps)
