"""What a price means: per coin, compared, combined, and which packages answer a wish.

Owns the comparison of coin packages. Must not know storage, orders, people or languages. Invariant:
"best value" is always computed from the prices at hand by exact integer arithmetic, never asserted
by size; the largest package is often not the cheapest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import gcd

from largesse.catalog.errors import BadCatalogue, UnknownPackage
from largesse.money.amounts import split

UNIT_PRICE_PLACES = Decimal("0.00001")
PERCENT_PLACES = Decimal("0.01")
MAX_PACKS_PER_ORDER = 10
"""How many packages one payment may hold; more is a wholesale order, not a fan's."""
MAX_PACKS_COMPARED = 100
"""How many small packages are tried against a large one."""

_Reached = tuple[int, tuple[int, ...]]
"""A price in minor units, and how many of each package it buys."""


@dataclass(frozen=True, slots=True)
class Package:
    """Coins at a price, in minor units of its book's currency, tax included."""

    id: int
    coins: int
    price_minor: int

    @property
    def per_coin(self) -> Fraction:
        """Minor units per coin, exact."""
        return Fraction(self.price_minor, self.coins)


@dataclass(frozen=True, slots=True)
class Pick:
    """One package, taken `count` times."""

    package: Package
    count: int


@dataclass(frozen=True, slots=True)
class Basket:
    """Packages bought together in one order."""

    picks: tuple[Pick, ...]

    @property
    def packs(self) -> int:
        """Number of packages, repeats counted."""
        return sum(pick.count for pick in self.picks)

    @property
    def coins(self) -> int:
        """Whole coins of all packages."""
        return sum(pick.count * pick.package.coins for pick in self.picks)

    @property
    def price_minor(self) -> int:
        """Price of all packages in minor units, tax included."""
        return sum(pick.count * pick.package.price_minor for pick in self.picks)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A package beside the others of its book."""

    package: Package
    unit_price: Decimal
    """Minor units per coin, at five decimals."""
    is_best: bool
    over_best_percent: Decimal
    """How much dearer per coin than the best of the book, at two decimals; 0 for the best."""
    cheaper: Basket | None
    """Other packages with at least as many coins for less money, if there are any."""


def unit_price(price_minor: int, coins: int) -> Decimal:
    """Return minor units per coin at five decimals, half to even; comparisons use exact ratios."""
    if coins <= 0 or price_minor < 0:
        raise UnknownPackage("A package has at least one coin and no negative price.")
    return _rounded(Fraction(price_minor, coins), UNIT_PRICE_PLACES)


def tax_within(price_minor: int, basis_points: int) -> int:
    """Return the tax inside a price that includes it; net and tax sum to the price exactly."""
    return split(price_minor, [10_000, basis_points])[1]


def best_value(packages: Sequence[Package]) -> list[Package]:
    """Return the packages with the lowest price per coin: one, or several that tie."""
    if not packages:
        return []
    lowest = min(package.per_coin for package in packages)
    return [package for package in packages if package.per_coin == lowest]


def compare(packages: Sequence[Package]) -> list[Comparison]:
    """Return each package, smallest first, with what a careful buyer would work out about it."""
    best = best_value(packages)
    return [
        Comparison(
            package=package,
            unit_price=unit_price(package.price_minor, package.coins),
            is_best=package in best,
            over_best_percent=_rounded(
                (package.per_coin / best[0].per_coin - 1) * 100, PERCENT_PLACES
            ),
            cheaper=cheaper_combination(package, packages),
        )
        for package in sorted(packages, key=lambda package: package.coins)
    ]


def cheaper_combination(
    package: Package, packages: Sequence[Package], max_packs: int = MAX_PACKS_COMPARED
) -> Basket | None:
    """Return the cheapest set of other packages that has its coins, when it costs less."""
    others = [other for other in packages if other != package]
    basket = cheapest_cover(others, package.coins, max_packs)
    if basket is None or basket.price_minor >= package.price_minor:
        return None
    return basket


def smallest_cover(packages: Sequence[Package], coins: int) -> Package | None:
    """Return the smallest single package with at least `coins` coins, or None."""
    enough = [package for package in packages if package.coins >= coins]
    return min(enough, key=lambda package: (package.coins, package.price_minor), default=None)


def cheapest_cover(
    packages: Sequence[Package], coins: int, max_packs: int = MAX_PACKS_PER_ORDER
) -> Basket | None:
    """Return the cheapest set of at most `max_packs` packages with at least `coins` coins.

    Of equally dear sets the one with fewer packages wins. None when no set is large enough.
    Exact: dynamic programming over the number of packages and the coins reached.
    """
    if not packages or coins <= 0 or max_packs * max(p.coins for p in packages) < coins:
        return None
    step = gcd(*(package.coins for package in packages))
    goal = -(-coins // step)
    cheapest: _Reached | None = None
    layer: dict[int, _Reached] = {0: (0, (0,) * len(packages))}
    for _ in range(max_packs):
        layer = _one_more(layer, packages, step, goal)
        found = layer.get(goal)
        if found and (cheapest is None or found[0] < cheapest[0]):
            cheapest = found
    assert cheapest is not None, "the largest package, taken max_packs times, covers the wish"
    picks = zip(packages, cheapest[1], strict=True)
    return Basket(tuple(Pick(package, count) for package, count in picks if count))


def _one_more(
    layer: dict[int, _Reached], packages: Sequence[Package], step: int, goal: int
) -> dict[int, _Reached]:
    """Add one package to every unfinished set; keeps the cheapest way to each number of coins."""
    grown: dict[int, _Reached] = {}
    for reached, (price, counts) in layer.items():
        if reached == goal:
            continue
        for index, package in enumerate(packages):
            total = min(goal, reached + package.coins // step)
            candidate = price + package.price_minor
            if total not in grown or candidate < grown[total][0]:
                more = (*counts[:index], counts[index] + 1, *counts[index + 1 :])
                grown[total] = (candidate, more)
    return grown


def _rounded(value: Fraction, places: Decimal) -> Decimal:
    """Round an exact ratio to decimals, half to even."""
    scale = Fraction(1) / Fraction(places)
    return (Decimal(round(value * scale)) * places).quantize(places, ROUND_HALF_EVEN)


# --- How long coins keep -------------------------------------------------------------------------

EXPIRING_CHANNELS = frozenset({"web"})
"""Channels in which an operator may sell coins that expire. App stores are not among them: coins
bought there never may (Apple, "App Review Guidelines", 3.1.1)."""


def require_expiry(channel: str, days: object) -> int | None:
    """Return after how many days the coins of a price book expire (None: never).

    Raises BadCatalogue where the channel lets no bought coin expire, so that a wrong price book is
    refused when it is published and not when somebody's coins are gone.
    """
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise BadCatalogue(f"Coins keep for a whole number of days, not {days!r}.")
    if channel not in EXPIRING_CHANNELS:
        raise BadCatalogue(
            f"Coins bought through {channel} never expire; leave out coins_expire_days.",
            channel=channel,
        )
    return days


# --- Regions -------------------------------------------------------------------------------------

_EURO_AREA = "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK"
_OWN_REGION = frozenset({"US", "JP"})
REST_OF_WORLD = "INTL"


def region_of_country(country: str) -> str:
    """Return the price region that a country (ISO 3166 alpha-2) belongs to."""
    code = country.upper()
    if code in _OWN_REGION:
        return code
    return "EU" if code in _EURO_AREA.split() else REST_OF_WORLD
