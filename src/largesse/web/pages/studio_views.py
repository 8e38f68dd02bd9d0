"""What the studio's page says, made of the ledger's and the policy's facts.

Owns figures, chart and waterfall. Must not read the database or the clock. Invariant: the bars of
the chart are the rows of its table, and the rows of the waterfall sum to its first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from babel.numbers import format_compact_decimal
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from largesse.adapters.postgres.earned import EarnedDay
from largesse.adapters.postgres.reading import GiftRow
from largesse.catalog.models import Gift
from largesse.earnings.rules import MICRO, SharePolicy, value_minor, waterfall
from largesse.ledger.gifts import IMPORTED_GIFT
from largesse.money.amounts import Amount
from largesse.money.ids import HolderId
from largesse.web.templatetags.money import show_count

WATERFALL_COINS = 1_000
_MOST_BARS = 8
_FULL_UP_TO = 10_000
_WIDTH, _TOP, _FLOOR = 320, 26, 150
"""The chart's drawing: its width, and where the tallest bar ends and all bars stand."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Diamonds and what they are worth now."""

    diamonds: int
    worth: Amount


def figure(diamonds: int, policy: SharePolicy) -> Figure:
    """Return diamonds with their worth, rounded down to a minor unit."""
    return Figure(diamonds, Amount(value_minor(diamonds, policy), policy.asset))


# --- Maturing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart: where its bar stands in the drawing, and its row in the table."""

    day: date
    diamonds: int
    label: str
    worth: Amount
    x: int
    y: int
    width: int
    height: int
    middle: int


@dataclass(frozen=True, slots=True)
class Maturing:
    """Pending diamonds by the day (UTC) on which they become available."""

    bars: tuple[Bar, ...]
    first: datetime | None
    """When the next of them do."""


def maturing_chart(rows: Sequence[tuple[datetime, int]], policy: SharePolicy) -> Maturing:
    """Return one bar for each day; what lies further ahead than the bars reach joins the last."""
    days: dict[date, int] = {}
    for release_at, diamonds in rows:
        day = release_at.astimezone(UTC).date()
        if len(days) == _MOST_BARS and day not in days:
            day = next(reversed(days))
        days[day] = days.get(day, 0) + diamonds
    slot = _WIDTH // max(len(days), 4)
    tallest = max(days.values(), default=1)
    bars = []
    for position, (day, diamonds) in enumerate(days.items()):
        height = max(2, (_FLOOR - _TOP) * diamonds // tallest)
        width = min(slot - 8, 56)
        x = position * slot + (slot - width) // 2
        worth = figure(diamonds, policy).worth
        bars.append(
            Bar(
                day=day,
                diamonds=diamonds,
                label=show_short(diamonds),
                worth=worth,
                x=x,
                y=_FLOOR - height,
                width=width,
                height=height,
                middle=x + width // 2,
            )
        )
    return Maturing(tuple(bars), rows[0][0] if rows else None)


def show_short(number: int) -> str:
    """Return a number that fits above a bar: 9,999 in full, then 10K, 12.3M and so on."""
    if number < _FULL_UP_TO:
        return show_count(number)
    return format_compact_decimal(number, fraction_digits=1, locale=get_language() or "en")


# --- Earned --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Earned:
    """Sums of a period: gifts, their coins, and the diamonds for them."""

    gifts: int
    coins: int
    diamonds: int


def earned_since(days: Iterable[EarnedDay], first: date) -> Earned:
    """Return the sums of the days from one on."""
    found = [day for day in days if day.day >= first]
    return Earned(
        sum(day.gifts for day in found),
        sum(day.coins for day in found),
        sum(day.diamonds for day in found),
    )


def week_start(now: datetime) -> datetime:
    """Return the first moment (UTC) of the seven days that end today."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=6)


# --- Gifts and supporters ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReceivedGift:
    """One gift as the studio lists it."""

    at: datetime
    fan: str
    gift: str
    art: str
    count: int
    coins: int


def received_gifts(
    rows: Iterable[GiftRow], names: Mapping[HolderId, str], gifts: Mapping[int, Gift]
) -> list[ReceivedGift]:
    """Return the rows with the names of fans and gifts; imported amounts have their own name."""
    found = []
    for row in rows:
        gift = gifts.get(row.gift)
        name = gift.name if gift and row.gift != IMPORTED_GIFT else str(_("Imported amount"))
        art = gift.art if gift else ""
        fan = names.get(row.fan, str(_("A fan")))
        found.append(ReceivedGift(row.at, fan, name, art, row.count, row.coins))
    return found


# --- Share ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the waterfall: a part of the gross, `percent` of it at one decimal."""

    name: str | Promise
    amount: Amount
    percent: Decimal
    is_sum: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """The policy in words and as a waterfall of a thousand coins."""

    policy: SharePolicy
    percent: str
    coins: int
    diamonds: int
    diamond_value: Decimal
    steps: tuple[Step, ...]


def share(policy: SharePolicy) -> Share:
    """Return where the value of a thousand coins goes; every step sums to the last unit."""
    fall = waterfall(WATERFALL_COINS, policy)

    def step(name: str | Promise, amount: Amount, is_sum: bool = False) -> Step:
        ratio = Decimal(amount.minor * 100) / Decimal(fall.gross.minor or 1)
        return Step(name, amount, ratio.quantize(Decimal("0.1")), is_sum)

    steps = (
        step(_("Fans pay, at the reference price"), fall.gross, is_sum=True),
        step(_("Tax"), fall.tax),
        step(_("Payment fees"), fall.fee),
        step(_("Left after tax and fees"), fall.net, is_sum=True),
        step(_("Platform"), fall.platform),
        step(_("You"), fall.creator, is_sum=True),
    )
    return Share(
        policy=policy,
        percent=f"{(Decimal(policy.share_bp) / 100).normalize():f}",
        coins=fall.coins,
        diamonds=fall.diamonds,
        diamond_value=Decimal(policy.diamond_micro) / MICRO,
        steps=steps,
    )
