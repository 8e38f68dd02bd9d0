"""What the store's pages say, made of the catalogue's and the order's facts.

Owns the words and the order of things. Must not read the database or the clock. Invariant: price,
price per coin, tax and comparison come from one and the same offer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.http import urlencode
from django.utils.translation import gettext as _

from largesse.catalog.errors import UnknownPackage
from largesse.catalog.rules import (
    MAX_PACKS_PER_ORDER,
    Basket,
    Comparison,
    cheapest_cover,
    compare,
    smallest_cover,
    tax_within,
    unit_price,
)
from largesse.catalog.selectors import Offer
from largesse.recharge.models import Order, OrderEvent
from largesse.recharge.rules import OPEN_STATUSES, Advice, Status, advice_on
from largesse.recharge.services import describe
from largesse.web.pages.store_regions import region_name
from largesse.web.templatetags.money import show_count, show_minor, show_unit_price

QUICK_POLL_SECONDS = 2
SLOW_POLL_SECONDS = 15
_IMPATIENT = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be bought: a package or several together. Amounts are words."""

    pick: str
    title: str
    coins: int
    price: str
    tax: str
    unit: str
    is_best: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that is on sale in one region, and what a careful buyer should know about it."""

    currency: str
    since: datetime
    has_tax: bool
    expire_days: int | None
    packages: tuple[Choice, ...]
    combinations: tuple[Choice, ...]
    findings: tuple[str, ...]


def shelf(offer: Offer, need: int) -> Shelf:
    """Return the packages of an offer with their comparison; `need` is a number of coins or 0."""
    rows = compare(offer.packages)
    best = [row.package.coins for row in rows if row.is_best]
    fitting = smallest_cover(offer.packages, need) if need else None
    packages = tuple(
        Choice(
            pick=_pick({row.package.id: 1}),
            title=_("%(coins)s coins") % {"coins": show_count(row.package.coins)},
            coins=row.package.coins,
            price=show_minor(row.package.price_minor, offer.currency),
            tax=_tax(offer, row.package.price_minor),
            unit=_unit(offer, row.package.price_minor, row.package.coins),
            is_best=row.is_best and len(rows) > 1,
            notes=_notes(row, best, need, is_fitting=row.package == fitting),
        )
        for row in rows
    )
    return Shelf(
        currency=offer.currency,
        since=offer.since,
        has_tax=offer.tax_basis_points > 0,
        expire_days=offer.coins_expire_days,
        packages=packages,
        combinations=tuple(_combinations(offer, rows, need)),
        findings=tuple(_findings(offer, rows)),
    )


def parse_pick(text: str) -> dict[int, int]:
    """Return how many of each package id a form chose ("3:1,5:2"); raises UnknownPackage."""
    counts: dict[int, int] = {}
    for part in text.split(","):
        package, _colon, number = part.partition(":")
        is_plain = all(word.isascii() and word.isdigit() for word in (package, number))
        if not is_plain or len(package) > 18 or len(number) > 3 or int(package) in counts:
            raise UnknownPackage(_("Choose a package first."))
        counts[int(package)] = int(number)
    return counts


def region_links(
    regions: Mapping[str, str], current: str, query: str
) -> list[dict[str, str | bool]]:
    """Return a link to each region's prices, keeping what brought the fan here."""
    return [
        {
            "name": region_name(region),
            "currency": currency,
            "query": "&".join(filter(None, [urlencode({"region": region}), query])),
            "is_current": region == current,
        }
        for region, currency in regions.items()
    ]


def _notes(row: Comparison, best: Sequence[int], need: int, *, is_fitting: bool) -> tuple[str, ...]:
    notes = []
    if row.over_best_percent:
        notes.append(
            _("%(percent)s %% more per coin than %(best)s coins")
            % {"percent": row.over_best_percent, "best": show_count(best[0])}
        )
    left = row.package.coins - need
    if is_fitting:
        notes.append(
            _("Smallest that is enough, %(left)s coins left over") % {"left": show_count(left)}
        )
    elif need and left < 0:
        notes.append(_("%(short)s coins short") % {"short": show_count(-left)})
    return tuple(notes)


def _combinations(offer: Offer, rows: Sequence[Comparison], need: int) -> list[Choice]:
    """Several packages in one order: cheaper than a large one, or the cheapest for the need."""
    found: dict[str, Choice] = {}
    for row in rows:
        basket = row.cheaper
        if basket is not None and basket.packs <= MAX_PACKS_PER_ORDER:
            saved = show_minor(row.package.price_minor - basket.price_minor, offer.currency)
            note = _("Costs %(saved)s less than the package of %(coins)s coins") % {
                "saved": saved,
                "coins": show_count(row.package.coins),
            }
            choice = _combination(offer, basket, note)
            found[choice.pick] = choice
    cover = cheapest_cover(offer.packages, need) if need else None
    single = smallest_cover(offer.packages, need) if need else None
    if cover is not None and cover.packs > 1:
        if single is None:
            note = _("The cheapest way to the coins you need")
        else:
            saved = show_minor(single.price_minor - cover.price_minor, offer.currency)
            note = _("Costs %(saved)s less, and is enough") % {"saved": saved}
        if single is None or cover.price_minor < single.price_minor:
            choice = _combination(offer, cover, note)
            found.setdefault(choice.pick, choice)
    return list(found.values())


def _combination(offer: Offer, basket: Basket, note: str) -> Choice:
    return Choice(
        pick=_pick({pick.package.id: pick.count for pick in basket.picks}),
        title=describe(basket),
        coins=basket.coins,
        price=show_minor(basket.price_minor, offer.currency),
        tax=_tax(offer, basket.price_minor),
        unit=_unit(offer, basket.price_minor, basket.coins),
        is_best=False,
        notes=(note,),
    )


def _findings(offer: Offer, rows: Sequence[Comparison]) -> list[str]:
    """Say what size alone would not tell: the best, and whether the largest is worth it."""
    if len(rows) < 2:
        return []
    best = [row for row in rows if row.is_best]
    largest = rows[-1]
    findings = []
    if not largest.is_best:
        findings.append(
            _("Bigger is not cheaper here: %(best)s coins have the lowest price per coin.")
            % {"best": show_count(best[0].package.coins)}
        )
    if largest.cheaper is not None and largest.cheaper.packs > MAX_PACKS_PER_ORDER:
        findings.append(
            _("%(basket)s would cost %(saved)s less than the package of %(coins)s coins.")
            % {
                "basket": describe(largest.cheaper),
                "saved": show_minor(
                    largest.package.price_minor - largest.cheaper.price_minor, offer.currency
                ),
                "coins": show_count(largest.package.coins),
            }
        )
    return findings


def _pick(counts: Mapping[int, int]) -> str:
    return ",".join(f"{package}:{count}" for package, count in sorted(counts.items()))


def _tax(offer: Offer, price_minor: int) -> str:
    return show_minor(tax_within(price_minor, offer.tax_basis_points), offer.currency)


def _unit(offer: Offer, price_minor: int, coins: int) -> str:
    return show_unit_price(unit_price(price_minor, coins), offer.currency)


# --- An order ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the timeline: done, now, next or failed."""

    state: str
    title: str
    at: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class OrderView:
    """What an order's page says. `kind` chooses picture and actions."""

    kind: str
    title: str
    text: str
    steps: tuple[StepView, ...]
    advice: Advice | None
    poll_seconds: int
    """0 when nothing will change any more by itself."""


def order_view(order: Order, events: Sequence[OrderEvent], now: datetime) -> OrderView:
    """Return what the page of an order says at `now`."""
    kind = "parked" if order.park_reason and order.state is not Status.REFUNDED else order.status
    if kind == "quoted" and not order.checkout_id and order.expires_at <= now:
        kind = "expired"
    title, text = _headline(order, kind)
    waits = order.state in OPEN_STATUSES and kind in ("quoted", "authorized")
    is_new = now - order.created_at < _IMPATIENT
    poll = (QUICK_POLL_SECONDS if is_new else SLOW_POLL_SECONDS) if waits else 0
    return OrderView(
        kind=kind,
        title=title,
        text=text,
        steps=tuple(_steps(order, {event.step: event for event in events}, kind)),
        advice=advice_on(order.decline_code) if kind == "declined" else None,
        poll_seconds=poll,
    )


def _headline(order: Order, kind: str) -> tuple[str, str]:
    coins = show_count(order.coins)
    match kind:
        case "quoted":
            return _("Not paid yet"), _("Your price is held. Nothing was taken.")
        case "authorized":
            return (
                _("Waiting for the bank"),
                _(
                    "You agreed to pay, and the bank has yet to confirm. This page watches by "
                    "itself. You may leave: the coins arrive on their own."
                ),
            )
        case "credited":
            return (
                _("%(coins)s coins are yours") % {"coins": coins},
                _("They are in your balance, ready for gifts."),
            )
        case "declined":
            return advice_on(order.decline_code).title, _("Nothing was taken.")
        case "expired":
            return _("This order has ended"), _("It was not paid in time. Nothing was taken.")
        case "refunded":
            return _("Your money went back"), _("The coins of this order are no longer yours.")
        case _:
            return (
                _("A person is looking at this payment"),
                _(
                    "What arrived does not fit the order, so no coins were given. Your money is "
                    "safe: the order is completed, or you get it back. Do not pay again."
                ),
            )


def _steps(order: Order, events: Mapping[str, OrderEvent], kind: str) -> list[StepView]:
    def at(step: str) -> datetime | None:
        return events[step].at if step in events else None

    steps = [StepView("done", _("Price held"), at("placed"), order.description)]
    if kind == "declined":
        return [*steps, StepView("failed", _("Payment declined"), at("declined"))]
    if kind == "expired":
        return [*steps, StepView("failed", _("Not paid in time"), at("expired"))]
    captured_at = at("captured")
    agreed = at("authorized") or captured_at
    steps.append(StepView("done" if agreed else "now", _("You agreed to pay"), agreed))
    if kind == "parked":
        return [*steps, StepView("failed", _("Payment set aside for a person"), at("parked"))]
    paid_state = "done" if captured_at else "now" if agreed else "next"
    steps.append(StepView(paid_state, _("Money received"), captured_at))
    credited = at("credited")
    steps.append(StepView("done" if credited else "next", _("Coins in your balance"), credited))
    if "refund_requested" in events:
        refunded = at("refunded")
        steps.append(StepView("done" if refunded else "now", _("Money given back"), refunded))
    return steps
