"""`largesse explain`: any balance as a chain of journals in plain language.

Owns the command and how an account is named on the command line. Must not know which journals moved
an account or how a sentence is made. Invariant: a chain that does not end at the stored balance is
said to be broken, and the command exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from largesse.commands.failures import CommandFailure, ExitCode
from largesse.commands.holders import find_holder
from largesse.commands.options import DEFAULT_DATA, DataOption, JsonOption

if TYPE_CHECKING:
    from largesse.adapters.postgres.explaining import Chain, Target
    from largesse.ledger.accounts import Account
    from largesse.ledger.explain import Link, Speech
    from largesse.people.models import Holder

_ACCOUNT_HELP = (
    "HOLDER (a handle, a usr_ id or a name from a replayed file: all their accounts), "
    "HOLDER:fan_paid (one of them), or an account of the platform: deferred_revenue, "
    "deferred_revenue/USD, or of one bucket: deferred_revenue/USD@17."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Some accounts to explain, and whose they are (None: the platform's)."""

    targets: list[Target]
    person: Holder | None
    is_all: bool = False


def explain_account(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help=_ACCOUNT_HELP)],
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only the newest journals, and in one line what came before."),
    ] = None,
    zone: Annotated[str, typer.Option(help="The time zone of times, such as Asia/Tokyo.")] = "UTC",
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show how a balance came about: every journal from zero on, in plain words.

    Exits with 1 when a chain does not end at the stored balance.
    """
    from largesse.commands.database import open_books
    from largesse.commands.printing import print_json_list
    from largesse.ledger.explain import Speech

    speech = Speech(zone=_zone(zone))
    broken: list[str] = []
    with open_books(data) as books:
        books.use_django()
        from largesse.adapters.postgres.explaining import chain, one_moment

        asked = _asked(account)
        with one_moment():
            chains = (chain(target, limit) for target in asked.targets)
            if as_json:
                rows = _json_rows(chains, asked, speech, broken)
                head = {"account": account} | _spend_order(asked)
                print_json_list(head, "accounts", rows)
            else:
                _print_chains(chains, asked, speech, broken)
    if broken:
        raise CommandFailure(
            f"{', '.join(broken)}: the journals do not add up to the stored balance. "
            "`largesse books check` names every break.",
            ExitCode.REFUSED,
        )


# --- Which accounts ------------------------------------------------------------------------------


def _asked(text: str) -> Asked:
    """Return the accounts that a word on the command line names."""
    from largesse.adapters.postgres.explaining import Target, accounts_of
    from largesse.ledger.accounts import ACCOUNTS
    from largesse.money.ids import HolderId

    name, _, where = text.partition("/")
    code = name.partition("@")[0]
    named = ACCOUNTS.get(code)
    if named is not None and not named.personal:
        return Asked(_platform(text, named, where if "/" in text else None), None)
    if named is not None:
        raise CommandFailure(f"{code} is held by people: name one, as in HOLDER:{code}.")
    for holder, personal in _split_at_colon(text):
        person = find_holder(holder)
        targets = [Target(personal, personal.unit.value, HolderId(person.pk))]
        return Asked(targets, person)
    person = find_holder(text)
    return Asked(accounts_of(HolderId(person.pk)), person, is_all=True)


def _split_at_colon(text: str) -> Iterator[tuple[str, Account]]:
    """Yield (holder, account) when one side of a colon is a personal account; either order goes."""
    from largesse.ledger.accounts import ACCOUNTS

    head, _, last = text.rpartition(":")
    first, _, tail = text.partition(":")
    for holder, code in ((head, last), (tail, first)):
        account = ACCOUNTS.get(code)
        if holder and account is not None and account.personal:
            yield holder, account
            return


def _platform(text: str, account: Account, where: str | None) -> list[Target]:
    """Return a platform account as it was named: in an asset or all, in a bucket or all."""
    from largesse.adapters.postgres.explaining import Target, platform_assets
    from largesse.ledger.accounts import Unit
    from largesse.money.assets import asset
    from largesse.money.ids import BUCKETS

    code, _, number = (where if where is not None else text).partition("@")
    bucket = None
    if "@" in text:
        bucket = int(number) if number.isascii() and number.isdigit() else BUCKETS
        if bucket >= BUCKETS:
            raise CommandFailure(f"There is no bucket {number!r}: they count 0 to {BUCKETS - 1}.")
    if where is None:
        return platform_assets(account, bucket)
    held = asset(code)
    fits = held.is_currency if account.unit is Unit.CURRENCY else held.code == account.unit.value
    if not fits:
        raise CommandFailure(f"{account.code} does not hold {held.code}.")
    return [Target(account, held.code, bucket=bucket)]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CommandFailure(
            f"{name!r} is no time zone. Name one as Europe/Berlin or UTC.", ExitCode.USAGE
        ) from error


def _spend_order(asked: Asked) -> dict[str, str]:
    """Return the order in which a fan's coins are spent; nothing for accounts of no fan's coins."""
    from largesse.adapters.postgres.book import DjangoBook
    from largesse.ledger.accounts import WALLET_ACCOUNTS
    from largesse.money.ids import HolderId

    if asked.person is None or not any(t.account in WALLET_ACCOUNTS for t in asked.targets):
        return {}
    return {"spend_order": DjangoBook().wallet(HolderId(asked.person.pk)).order.value}


# --- Answers -------------------------------------------------------------------------------------


def _title(target: Target, person: Holder | None) -> str:
    """Return what an account is called on the command line."""
    if person is not None:
        return f"{person.public_id}:{target.account.code}"
    at = "" if target.bucket is None else f"@{target.bucket}"
    return f"{target.account.code}/{target.asset}{at}"


def _json_rows(
    chains: Iterable[Chain], asked: Asked, speech: Speech, broken: list[str]
) -> Iterator[dict[str, Any]]:
    for chain in chains:
        links = list(chain.links)
        target, ends_at = chain.target, _end(chain, links)
        if ends_at != chain.stored:
            broken.append(_title(target, asked.person))
        if asked.is_all and not links and not chain.stored:
            continue
        yield {
            "account": target.account.code,
            "asset": target.asset,
            "holder": asked.person.public_id if asked.person else None,
            "bucket": target.home,
            "before": {"journals": chain.before.journals, "balance": chain.before.balance},
            "chain": [_json_link(link, target, speech) for link in links],
            "ends_at": ends_at,
            "stored": chain.stored,
            "ok": ends_at == chain.stored,
        }


def _end(chain: Chain, links: list[Link]) -> int:
    return links[-1].balance_after if links else chain.before.balance


def _json_link(link: Link, target: Target, speech: Speech) -> dict[str, Any]:
    from largesse.ledger.explain import place, sentence

    return {
        "place": place(link.move.bucket, link.move.seq),
        "at": link.told.at.astimezone(speech.zone).isoformat(),
        "event": link.told.event.value,
        "reference": link.told.reference,
        "change": link.move.change,
        "balance_after": link.balance_after,
        "sentence": sentence(link.told, target.account, target.asset, speech),
        "follows_from": list(link.told.sources),
    }


def _print_chains(chains: Iterable[Chain], asked: Asked, speech: Speech, broken: list[str]) -> None:
    from rich.markup import escape

    from largesse.commands.printing import answers
    from largesse.ledger.explain import plain
    from largesse.ledger.sentences import SPEND_WORDS

    console = answers()
    who = "the platform"
    if asked.person is not None:
        name = escape(plain(asked.person.display_name))
        who = f"{name} ({asked.person.handle}, {asked.person.public_id})"
    said = 0
    for chain in chains:
        printed = _print_chain(chain, asked, who, speech)
        if printed is None:
            continue
        said += 1
        if printed != chain.stored:
            broken.append(_title(chain.target, asked.person))
    order = _spend_order(asked).get("spend_order")
    if not said:
        console.print(f"Nothing has ever moved an account of {who}.")
    elif order is not None:
        console.print(f"Gifts take {SPEND_WORDS[order]}.")


def _print_chain(chain: Chain, asked: Asked, who: str, speech: Speech) -> int | None:
    """Print a chain link by link; returns where it ends, or None for one that need not be shown."""
    from largesse.commands.printing import answers
    from largesse.ledger.explain import amount_words

    console = answers()
    links = iter(chain.links)
    link = next(links, None)
    if link is None and not chain.stored and asked.is_all:
        return None
    for line in _head(chain, who):
        console.print(line)
    balance = chain.before.balance
    while link is not None:
        balance = link.balance_after
        console.print(_link_text(link, chain.target, speech))
        link = next(links, None)
    ends_at, stored = (amount_words(minor, chain.target.asset) for minor in (balance, chain.stored))
    if balance == chain.stored:
        console.print(f"  Ends at the stored balance: {ends_at}.\n")
    else:
        console.print(f"  [red]Ends at {ends_at}, but {stored} is stored.[/red]\n")
    return balance


def _head(chain: Chain, who: str) -> Iterator[str]:
    from largesse.ledger.explain import amount_words
    from largesse.ledger.sentences import ACCOUNT_NAMES

    target = chain.target
    where = "" if target.bucket is None else f", bucket {target.bucket}"
    stored = amount_words(chain.stored, target.asset)
    name = ACCOUNT_NAMES[target.account]
    code = target.account.code
    yield f"[bold]{name}[/bold], {who}{where}: [bold]{stored}[/bold] [dim]{code}[/dim]"
    if chain.stored < 0:
        owned = "what the platform owns, has spent or has issued"
        below = "coins that are owed" if target.account.personal else owned
        yield f"  [dim]Below zero stands {below}.[/dim]"
    before = chain.before
    if before.journals:
        left = amount_words(before.balance, target.asset)
        many = "journal" if before.journals == 1 else "journals"
        yield f"  Before that: {before.journals:,} {many}, balance {left}."
    else:
        yield f"  Starts at {amount_words(0, target.asset)}."


def _link_text(link: Link, target: Target, speech: Speech) -> str:
    """Return one link as two lines: the change and the balance after it, and why."""
    from rich.markup import escape

    from largesse.ledger.explain import amount_words, place, plain, sentence

    at = f"{link.told.at.astimezone(speech.zone):%Y-%m-%d %H:%M:%S %Z}"
    sign = "+" if link.move.change > 0 else ""
    change = f"{sign}{amount_words(link.move.change, target.asset)}"
    after = amount_words(link.balance_after, target.asset)
    where = f"{place(link.move.bucket, link.move.seq)} {escape(plain(link.told.reference))}"
    said = escape(sentence(link.told, target.account, target.asset, speech))
    return f"  {at}  {change}, then {after}  [dim]{where}[/dim]\n    {said}"
