"""The commands of payouts: destinations, requests, sending, and what the provider answers.

Owns the order of persisted steps around each call of the provider. Must not know which provider,
store or clock: they come in as arguments. Invariants: diamonds are held in the transaction that
creates the payout and leave `held` in the one that ends it; the provider is called outside every
transaction and always under the payout's own key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from largesse.earnings.rules import SharePolicy
from largesse.ledger import rules as postings
from largesse.ledger.accounts import Account
from largesse.ledger.journals import Journal
from largesse.ledger.keys import require_fresh
from largesse.ledger.ports import Book
from largesse.money.amounts import checked_minor
from largesse.money.errors import Declined, OutcomeUnknown, Unavailable
from largesse.money.ids import HolderId, PayoutId, parse_public_id
from largesse.payouts import rules, selectors
from largesse.payouts.errors import (
    BadDestination,
    PayoutKeyReused,
    PayoutRefused,
    UnknownDestination,
    UnknownPayout,
)
from largesse.payouts.models import Destination, DestinationKind, Payout, PayoutEvent
from largesse.payouts.ports import Transfers, TransferState
from largesse.payouts.rules import Answer, Effect, Fault, Status, Step
from largesse.people.sealing import Seal

SEAL_PURPOSE = "payout destinations"
"""The purpose under which entry points derive the seal of account numbers."""

_SANDBOX_ACCOUNT_LENGTH = range(4, 41)


# --- Destinations --------------------------------------------------------------------------------


@transaction.atomic
def add_destination(
    *,
    seal: Seal,
    holder: HolderId,
    kind: DestinationKind,
    account: str,
    destination_id: int,
    now: datetime,
) -> Destination:
    """Remember where to pay a creator; the number is sealed before it is stored.

    Raises BadDestination: an IBAN with a wrong checksum, or no account at all; no retry helps.
    """
    number = "".join(account.split())
    if kind is DestinationKind.BANK:
        number = number.upper()
        if not rules.is_iban(number):
            raise BadDestination(
                "This is not a valid IBAN. Copy it from your bank, with all letters and digits."
            )
    elif len(number) not in _SANDBOX_ACCOUNT_LENGTH or not number.isascii():
        raise BadDestination("A sandbox account has 4 to 40 letters, digits or signs.")
    return Destination.objects.create(
        id=destination_id,
        holder=holder,
        kind=kind,
        masked=rules.masked(number),
        sealed=seal.close(number),
        created_at=now,
    )


@transaction.atomic
def remove_destination(*, holder: HolderId, destination_id: int, now: datetime) -> None:
    """Pay nothing new to a destination; payouts under way keep it. Raises UnknownDestination."""
    rows = Destination.objects.filter(pk=destination_id, holder=holder, removed_at=None)
    if not rows.update(removed_at=now):
        raise UnknownDestination("You have no such destination.")


# --- Request -------------------------------------------------------------------------------------


@transaction.atomic
def request_payout(
    *,
    book: Book,
    policy: SharePolicy,
    holder: HolderId,
    destination_id: int,
    diamonds: int,
    payout_id: PayoutId,
    key: UUID,
    now: datetime,
) -> Payout:
    """Hold up to `diamonds` for a payout; one transaction holds them and creates the payout.

    The same key again returns the same payout (a double click, a retry), however old it is; the
    lane of the holder's bucket makes a second request wait for the first. Raises StaleKey for a key
    that may begin nothing any more, PayoutRefused with the obstacle, UnknownDestination,
    PayoutKeyReused and BadAmount; nothing is held then.
    """
    checked_minor(diamonds, what="number of diamonds")
    available = book.balance(holder, Account.CREATOR_AVAILABLE, lock=True)
    known = Payout.objects.filter(key=key).first()
    if known is not None:
        return _same_request(known, holder, destination_id, diamonds)
    require_fresh(key, now=now)
    destination = selectors.destination_of(holder, destination_id)
    offer = rules.quote(diamonds, available, policy)
    obstacles = rules.preflight(
        offer,
        available=available,
        has_destination=True,
        frozen=book.wallet(holder).frozen,
    )
    advice = rules.first_advice(obstacles)
    if advice is not None:
        raise PayoutRefused(f"{advice.why} {advice.next_step}", obstacle=obstacles[0].value)
    payout = Payout.objects.create(
        id=payout_id,
        holder=holder,
        destination=destination,
        key=key,
        asked_diamonds=diamonds,
        diamonds=offer.used,
        gross_minor=offer.gross.minor,
        fee_minor=offer.fee.minor,
        currency=offer.gross.asset.code,
        policy_version=policy.version,
        status=Status.REQUESTED,
        next_attempt_at=now,
        created_at=now,
        updated_at=now,
    )
    journal_id = rules.journal_id(payout_id, key, Step.REQUESTED)
    book.post([postings.payout_requested(journal_id, now, holder, offer.used, payout.public_id)])
    _note(payout, now, "requested", "")
    return payout


def _same_request(known: Payout, holder: HolderId, destination_id: int, diamonds: int) -> Payout:
    same = (known.holder, known.destination_id, known.asked_diamonds) == (
        holder,
        destination_id,
        diamonds,
    )
    if not same:
        raise PayoutKeyReused("This key was used for another payout. Send a new key.")
    return known


# --- Sending and asking --------------------------------------------------------------------------


def send_payout(
    payout_id: PayoutId, *, book: Book, transfers: Transfers, seal: Seal, now: datetime
) -> Payout:
    """Bring one open payout forward: send it, or ask what became of it.

    Three steps, each safe to repeat: note the attempt, call the provider outside any transaction,
    apply the answer. What was sent before is asked about first; only a provider that never saw
    the key is sent it again. Raises UnknownPayout; a provider's failure is an answer, not raised.
    """
    payout = _begin_attempt(payout_id, now)
    if payout is None:
        return _get(payout_id)
    answer, reason, state = _call_provider(payout, transfers, seal)
    return _apply(payout_id, answer, reason, state, book=book, now=now)


def _call_provider(
    payout: Payout, transfers: Transfers, seal: Seal
) -> tuple[Answer, str, TransferState | None]:
    """Ask, and send where the provider never saw the key. Only a refused send is a decision:
    a refused question says nothing about what was sent before.
    """
    state: TransferState | None = None
    try:
        if payout.attempts > 1:
            state = transfers.fetch(key=payout.key)
    except Unavailable:
        return Answer.UNAVAILABLE, "provider_busy", None
    except (Declined, OutcomeUnknown):
        return Answer.UNKNOWN, "", None
    try:
        if state is None and payout.status != Status.SENT:
            state = transfers.send(
                payout=payout.public_id,
                amount=payout.net,
                destination=seal.open(payout.destination.sealed),
                key=payout.key,
            )
    except Declined:
        return Answer.DECLINED, "declined", None
    except Unavailable:
        return Answer.UNAVAILABLE, "provider_busy", None
    except OutcomeUnknown:
        return Answer.UNKNOWN, "", None
    return (Answer(state.status) if state else Answer.UNKNOWN), "", state


def apply_transfer_state(state: TransferState, *, book: Book, now: datetime) -> Payout:
    """Apply a transfer's state as the provider gave it; one transaction.

    For notifications: re-read the state first and hand it in. Repeating it changes nothing.
    Raises UnknownPayout (keep the notification and try again later).
    """
    payout_id = PayoutId(parse_public_id("pay", state.payout))
    return _apply(payout_id, Answer(state.status), "", state, book=book, now=now)


def refresh_payout(name: str, *, book: Book, transfers: Transfers, now: datetime) -> bool:
    """Ask the provider about the payout that a notification names, and apply what it says.

    `name` is our public id or the provider's id of the transfer. Returns False when nobody knows
    it yet: keep the notification and try again. Called outside any transaction; raises Unavailable
    and OutcomeUnknown (a retry helps).
    """
    key = selectors.key_of(name)
    state = transfers.fetch(key=key) if key else None
    if state is None:
        return False
    apply_transfer_state(state, book=book, now=now)
    return True


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: payouts asked about, and those that ended by it."""

    asked: int
    ended: int


def sweep_payouts(
    *,
    book: Book,
    transfers: Transfers,
    seal: Seal,
    now: Callable[[], datetime],
    limit: int = 100,
) -> Swept:
    """Bring forward every open payout whose turn it is; one after the other.

    Age alone never ends a payout: an unknown outcome is asked about until somebody knows.
    """
    due = selectors.due_payouts(now(), limit)
    ended = 0
    for payout_id in due:
        payout = send_payout(payout_id, book=book, transfers=transfers, seal=seal, now=now())
        ended += payout.status not in rules.OPEN
    return Swept(len(due), ended)


@transaction.atomic
def release_parked(payout_id: PayoutId, *, note: str, by: HolderId, now: datetime) -> Payout:
    """An operator has looked at a parked payout: note what was found, and let the sweep ask again.

    A mismatch that still stands parks it again. Raises UnknownPayout.
    """
    payout = _locked(payout_id)
    if payout.parked:
        _note(payout, now, "released", payout.parked, f"{by}: {note}"[:500])
        payout.parked = ""
        payout.next_attempt_at = now
        payout.updated_at = now
        payout.save(update_fields=["parked", "next_attempt_at", "updated_at"])
    return payout


# --- Steps ---------------------------------------------------------------------------------------


@transaction.atomic
def _begin_attempt(payout_id: PayoutId, now: datetime) -> Payout | None:
    """Count the attempt before the call, so that a crash after it leaves a trace."""
    payout = _locked(payout_id)
    if payout.status not in rules.OPEN or payout.parked:
        return None
    payout.next_attempt_at = now + rules.wait_after(payout.attempts)
    payout.attempts += 1
    payout.save(update_fields=["attempts", "next_attempt_at"])
    return payout


@transaction.atomic
def _apply(
    payout_id: PayoutId,
    answer: Answer,
    reason: str,
    state: TransferState | None,
    *,
    book: Book,
    now: datetime,
) -> Payout:
    payout = _locked(payout_id)
    fault = state and rules.fault_of(
        state, payout=payout.public_id, transfer_id=payout.transfer_id, net=payout.net
    )
    if fault is Fault.OTHER_ATTEMPT:
        _note(payout, now, "ignored", fault)
        return payout
    if fault:
        return _park(payout, answer, fault, now)
    before = Status(payout.status)
    after, effect = rules.decide(before, answer)
    if effect is Effect.PARK:
        return _park(payout, answer, "contradiction", now)
    said = rules.reason_code(state.reason or "") if state else reason
    journal = _journal(payout, effect, said, now)
    if journal:
        book.post([journal])
    changed = (before, payout.reason) != (after, said)
    payout.status, payout.reason = after, said
    if state:
        payout.transfer_id = state.id
    payout.updated_at = now
    payout.save(update_fields=["status", "reason", "transfer_id", "updated_at"])
    if changed:
        _note(payout, now, answer, said)
    return payout


def _journal(payout: Payout, effect: Effect, reason: str, now: datetime) -> Journal | None:
    """Return what an effect posts; its id is the same at every repetition."""

    def key(step: Step) -> UUID:
        return rules.journal_id(payout.payout_id, payout.key, step)

    holder, diamonds, name = payout.holder_id, payout.diamonds, payout.public_id
    if effect is Effect.CASH:
        return postings.payout_settled(
            key(Step.SETTLED), now, holder, diamonds, payout.gross, payout.fee, name
        )
    if effect is Effect.GIVE_BACK:
        return postings.payout_returned(key(Step.RETURNED), now, holder, diamonds, name, reason)
    if effect is Effect.BOUNCE:
        return postings.payout_bounced(
            key(Step.BOUNCED), now, holder, diamonds, payout.gross, payout.fee, name, reason
        )
    return None


def _park(payout: Payout, answer: Answer, why: str, now: datetime) -> Payout:
    if payout.parked != why:
        payout.parked = why
        payout.updated_at = now
        payout.save(update_fields=["parked", "updated_at"])
        _note(payout, now, answer, why)
    return payout


def _note(payout: Payout, now: datetime, answer: str, reason: str, note: str = "") -> None:
    PayoutEvent.objects.create(
        payout=payout, at=now, status=payout.status, answer=answer, reason=reason, note=note
    )


def _get(payout_id: PayoutId) -> Payout:
    payout = Payout.objects.filter(pk=payout_id).select_related("destination").first()
    if payout is None:
        raise UnknownPayout("There is no such payout.", payout=str(payout_id))
    return payout


def _locked(payout_id: PayoutId) -> Payout:
    rows = Payout.objects.select_for_update(of=("self",)).select_related("destination")
    payout = rows.filter(pk=payout_id).first()
    if payout is None:
        raise UnknownPayout("There is no such payout.", payout=str(payout_id))
    return payout
