"""Amounts and exact splits.

Owns the value type that every journal is made of and the only divisions in the product. Must not
know accounts or rounding policies of any country. Invariant: the parts of a split sum to the
whole, and an amount is never negative: direction is a debit or a credit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from largesse.money.assets import Asset
from largesse.money.errors import DomainError

MAX_MINOR = 2**63 - 1
"""The largest amount that a BIGINT column holds."""


class BadAmount(DomainError):
    """The number is not a whole count of minor units from 0 to 2**63 - 1."""

    code = "bad_amount"


def checked_minor(value: object, *, what: str = "amount") -> int:
    """Return `value` when it is an int from 0 to 2**63 - 1; bool and float are refused."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadAmount(
            f"The {what} must be a whole number of minor units, not {value!r}.", value=repr(value)
        )
    if not 0 <= value <= MAX_MINOR:
        raise BadAmount(
            f"The {what} must lie between 0 and {MAX_MINOR}, not {value}.", value=str(value)
        )
    return value


@dataclass(frozen=True, slots=True)
class Amount:
    """A whole number of minor units of one asset, never negative."""

    minor: int
    asset: Asset

    def __post_init__(self) -> None:
        checked_minor(self.minor)

    def __add__(self, other: Amount) -> Amount:
        if self.asset != other.asset:
            raise BadAmount(f"{self.asset} and {other.asset} cannot be added.")
        return Amount(self.minor + other.minor, self.asset)


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` by `weights` with largest remainders; the parts sum to `total` exactly.

    Ties go to the earlier part, so the result is deterministic. Raises BadAmount when no weight
    is positive or one is negative.
    """
    checked_minor(total, what="total")
    scale = sum(weights)
    if scale <= 0 or any(weight < 0 for weight in weights):
        raise BadAmount("Weights must not be negative and at least one must be positive.")
    parts = [total * weight // scale for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % scale), i))
    for i in order[: total - sum(parts)]:
        parts[i] += 1
    return parts


def cumulative_part(total: int, start: int, stop: int, length: int) -> int:
    """Return the part of `total` that positions [start, stop) of `length` carry.

    Consecutive ranges that cover [0, length) sum to `total` exactly, whatever the cuts. Used for
    the real-money cost of a gift out of a lot: `total` is the lot's price in minor units.
    """
    if not 0 <= start <= stop <= length or length <= 0:
        raise BadAmount(f"[{start}, {stop}) does not lie within {length} positions.")
    return total * stop // length - total * start // length


def share_with_remainder(
    units: int, numerator: int, denominator: int, remainder: int
) -> tuple[int, int]:
    """Return (whole units, new remainder) of `units * numerator / denominator`, carrying on.

    Fed a stream of units, the sum of the results is the floor of the share of the sum: nothing is
    lost to rounding, and at most one unit is outstanding. `remainder` counts 1/denominator units.
    """
    if not 0 <= remainder < denominator or numerator < 0 or units < 0:
        raise BadAmount("The remainder must be smaller than the denominator, and nothing negative.")
    return divmod(units * numerator + remainder, denominator)
