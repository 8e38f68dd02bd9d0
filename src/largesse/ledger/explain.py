"""Explain a balance: the chain of journals that made it, each as a sentence anyone can read.

Owns how facts become the words of `sentences`, and how the links of a chain follow each other. Must
not read anything, and must not know a person's language: it is handed in. Invariants: every pair of
event and account has a sentence; the balance after a link is the one before it and its change; what
strangers wrote (names, references, reasons) never breaks a line or steers a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cache

from largesse.ledger.accounts import ACCOUNTS, Account, Unit
from largesse.ledger.journals import Event
from largesse.ledger.lots import SerialRange
from largesse.ledger.sentences import EDGES, EVENT_TITLES, SENTENCES, SUMS, UNKNOWN, gettext_noop
from largesse.money.assets import COIN, DIAMOND, asset

_NAMED = 3
"""Lots or ranges that a sentence names; of more it says how many."""
_REMAINDER_PLACES = 4
_ZERO_WIDTH_JOINER = "\u200d"
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")

_COIN_WORDS = (gettext_noop("%(number)s coin"), gettext_noop("%(number)s coins"))
_PAID_WORDS = (gettext_noop("%(number)s paid coin"), gettext_noop("%(number)s paid coins"))
_BONUS_WORDS = (gettext_noop("%(number)s bonus coin"), gettext_noop("%(number)s bonus coins"))
_DIAMOND_WORDS = (gettext_noop("%(number)s diamond"), gettext_noop("%(number)s diamonds"))
_GIFT_WORDS = (gettext_noop("%(number)s gift"), gettext_noop("%(number)s gifts"))
_SERIAL_WORDS = gettext_noop("serial %(first)s"), gettext_noop("serials %(first)s to %(last)s")
_MORE_WORDS = (gettext_noop("%(number)s more"), gettext_noop("%(number)s more"))
_SOMEBODY = gettext_noop("somebody")
_A_GIFT = gettext_noop("a gift")
_NOTHING = gettext_noop("nothing")
_AND = gettext_noop("%(most)s and %(last)s")

_CLASS_WORDS = {
    "paid": _PAID_WORDS,
    "bonus": _BONUS_WORDS,
    "granted": _BONUS_WORDS,
    "expired": _BONUS_WORDS,
    "lapsed": _PAID_WORDS,
}
"""Coins of one class are named so; those of other transfers are coins."""


def _plural(one: str, many: str, number: int) -> str:
    return one if number == 1 else many


@dataclass(frozen=True, slots=True)
class Speech:
    """How to speak to a reader: the zone of times, and the translation; plain English in UTC."""

    zone: tzinfo = UTC
    text: Callable[[str], str] = str
    plural: Callable[[str, str, int], str] = _plural


@dataclass(frozen=True, slots=True)
class Booked:
    """One transfer as it stands in the ledger: codes of accounts, and minor units of an asset."""

    debit: str
    credit: str
    asset: str
    minor: int


@dataclass(frozen=True, slots=True)
class Told:
    """What is known about one journal or gift. Names and references may come from strangers.

    `holder` is whose journal it is, `gift` what was given and `creator` to whom. `paid` and `bonus`
    are live serials that a gift spent, `cost` (minor units per currency) what the paid ones had
    cost and `lots` the references of their recharges. `gifts` were rolled up under `policy`, which
    left `remainder` ten-thousandths of a diamond. `since` is when the first of the matured diamonds
    were earned; `expires_at` is when granted coins expire. `sources` are the places of the journals
    that this one follows from.
    """

    event: Event
    at: datetime
    booked: tuple[Booked, ...]
    reference: str = ""
    reason: str = ""
    holder: str = ""
    creator: str = ""
    gift: str = ""
    policy: str = ""
    share_bp: int | None = None
    paid: tuple[SerialRange, ...] = ()
    bonus: tuple[SerialRange, ...] = ()
    cost: Mapping[str, int] = field(default_factory=dict)
    lots: tuple[str, ...] = ()
    gifts: int | None = None
    remainder: int = 0
    since: datetime | None = None
    expires_at: datetime | None = None
    sources: tuple[str, ...] = ()


# --- Chains --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """What one journal did to one account: a signed change in minor units, and where it stands."""

    bucket: int
    seq: int
    change: int


@dataclass(frozen=True, slots=True)
class Before:
    """What came before the first link that is shown: journals, and the balance that they left."""

    journals: int = 0
    balance: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a chain: the change, the balance after it, and why."""

    move: Move
    balance_after: int
    told: Told


def place(bucket: int, seq: int) -> str:
    """Return where a journal stands, for people: b006-12 is the twelfth of bucket 6."""
    return f"b{bucket:03}-{seq}"


def linked(before: Before, moves: Iterable[tuple[Move, Told]]) -> Iterator[Link]:
    """Yield the links of a chain, oldest first; amounts in minor units of the account's asset."""
    balance = before.balance
    for move, told in moves:
        balance += move.change
        yield Link(move, balance, told)


def pending_since(
    balance: int, moves: Iterable[tuple[int, datetime, int]], oldest_seq: int
) -> dict[int, datetime]:
    """Return when the first of the diamonds of each maturity were earned, by its sequence.

    `balance` are the diamonds pending now; `moves` (sequence, time, change of pending) go from the
    newest back, and are read only as far as maturities from `oldest_seq` on need. Pending diamonds
    are taken first in, first out. A maturity whose earnings are not there is left out.
    """
    # The newest `balance` diamonds still wait; those that a maturity took lie right below them.
    since: dict[int, datetime] = {}
    waiting: list[tuple[int, int]] = []
    reach, earned = balance, 0
    for seq, at, change in moves:
        if seq < oldest_seq and not waiting:
            break
        if change > 0:
            earned += change
        elif seq >= oldest_seq:
            reach -= change
            waiting.append((reach, seq))
        while waiting and waiting[0][0] <= earned:
            since[waiting.pop(0)[1]] = at
    return since


# --- Sentences -----------------------------------------------------------------------------------


def sentence(told: Told, account: Account, unit: str, speech: Speech | None = None) -> str:
    """Return why a journal moved an account in the asset `unit`, as one or more sentences."""
    speech = speech or Speech()
    phrases = _phrases(told, account, unit, speech)
    said = []
    for wordings in SENTENCES.get((told.event, account), ()):
        for wording in wordings:
            if phrases.keys() >= placeholders(wording):
                said.append(speech.text(wording) % phrases)
                break
    if not said:
        title = speech.text(EVENT_TITLES[told.event])
        return speech.text(UNKNOWN) % {"title": title}
    return " ".join(said)


@cache
def placeholders(wording: str) -> frozenset[str]:
    """Return the facts that a wording needs."""
    return frozenset(_PLACEHOLDER.findall(wording))


def amount_words(minor: int, unit: str, speech: Speech | None = None) -> str:
    """Return an amount with its unit: 1,200 coins, 9.99 USD; a minus is the sign U+2212."""
    speech = speech or Speech()
    sign = "−" if minor < 0 else ""
    if unit == COIN.code:
        return sign + _counted(abs(minor), _COIN_WORDS, speech)
    if unit == DIAMOND.code:
        return sign + _counted(abs(minor), _DIAMOND_WORDS, speech)
    places = asset(unit).exponent
    whole, part = divmod(abs(minor), int(10**places))
    return f"{sign}{whole:,}{f'.{part:0{places}}' if places else ''} {unit}"


def plain(text: str) -> str:
    """Return a stranger's text on one line, without characters that steer or hide others."""
    shown = (c if c.isprintable() or c == _ZERO_WIDTH_JOINER else " " for c in text)
    return " ".join("".join(shown).split())


def _phrases(told: Told, account: Account, unit: str, speech: Speech) -> dict[str, str]:
    """Return the words of every fact that is known."""
    phrases = _amounts(told, account, unit, speech)
    phrases["holder"] = plain(told.holder) or speech.text(_SOMEBODY)
    phrases["creator"] = plain(told.creator) or speech.text(_SOMEBODY)
    phrases["gift"] = plain(told.gift) or speech.text(_A_GIFT)
    known = {
        "reference": plain(told.reference),
        "reason": plain(told.reason),
        "policy": _policy(told),
        "paid_serials": _serials(told.paid, speech),
        "bonus_serials": _serials(told.bonus, speech),
        "lots": _listed([plain(lot) for lot in told.lots], speech),
        "gifts": "" if told.gifts is None else _counted(told.gifts, _GIFT_WORDS, speech),
        "remainder": _remainder(told.remainder),
        "since": _moment(told.since, speech),
        "expires": _moment(told.expires_at, speech),
    }
    phrases |= {name: words for name, words in known.items() if words}
    if told.paid:
        cost = [amount_words(minor, code, speech) for code, minor in sorted(told.cost.items())]
        phrases["cost"] = _listed(cost, speech) or speech.text(_NOTHING)
    return phrases


def _amounts(told: Told, account: Account, unit: str, speech: Speech) -> dict[str, str]:
    """Return the words of what the transfers moved; a money account speaks of its own currency."""
    sums: dict[str, dict[str, int]] = {}
    for one in told.booked:
        if account.unit is Unit.CURRENCY and asset(one.asset).is_currency and one.asset != unit:
            continue
        if one.debit in ACCOUNTS and one.credit in ACCOUNTS:
            name = EDGES.get((ACCOUNTS[one.debit], ACCOUNTS[one.credit]))
            if name is not None:
                moved = sums.setdefault(name, {})
                moved[one.asset] = moved.get(one.asset, 0) + one.minor
    for name, parts in SUMS.items():
        total: dict[str, int] = {}
        for part in parts:
            for code, minor in sums.get(part, {}).items():
                total[code] = total.get(code, 0) + minor
        if total:
            sums[name] = total
    return {
        name: _listed([_moved(name, minor, code, speech) for code, minor in total.items()], speech)
        for name, total in sums.items()
    }


def _moved(name: str, minor: int, unit: str, speech: Speech) -> str:
    if unit == COIN.code:
        return _counted(minor, _CLASS_WORDS.get(name, _COIN_WORDS), speech)
    return amount_words(minor, unit, speech)


def _counted(number: int, words: tuple[str, str], speech: Speech) -> str:
    return speech.plural(*words, number) % {"number": f"{number:,}"}


def _policy(told: Told) -> str:
    """Return the version of the share policy and its share: share-2026-11 (50 %)."""
    if told.share_bp is None:
        return plain(told.policy)
    whole, part = divmod(told.share_bp, 100)
    share = f"{whole}.{part:02}".rstrip("0").rstrip(".") if part else str(whole)
    return f"{plain(told.policy)} ({share} %)"


def _remainder(ten_thousandths: int) -> str:
    """Return a part of a diamond as a decimal, or nothing when there is none."""
    if not ten_thousandths:
        return ""
    return f"0.{ten_thousandths:0{_REMAINDER_PLACES}}".rstrip("0")


def _serials(ranges: Sequence[SerialRange], speech: Speech) -> str:
    """Return serials as people count ranges: both ends are in."""
    one, many = (speech.text(words) for words in _SERIAL_WORDS)
    return _listed(
        [
            (one if len(serials) == 1 else many)
            % {"first": f"{serials.start:,}", "last": f"{serials.stop - 1:,}"}
            for serials in ranges
            if len(serials)
        ],
        speech,
    )


def _listed(words: Sequence[str], speech: Speech) -> str:
    """Return words as a list: a, b and c; long ones end in how many more there are."""
    known = list(dict.fromkeys(words))
    if len(known) > _NAMED + 1:
        known = [*known[:_NAMED], _counted(len(known) - _NAMED, _MORE_WORDS, speech)]
    if len(known) < 2:
        return "".join(known)
    return speech.text(_AND) % {"most": ", ".join(known[:-1]), "last": known[-1]}


def _moment(at: datetime | None, speech: Speech) -> str:
    """Return a time in the reader's zone, which it names: 2026-11-22 08:00 UTC."""
    return f"{at.astimezone(speech.zone):%Y-%m-%d %H:%M %Z}" if at else ""
