"""The refusals of the catalogue.

Owns their codes and sentences. Must not know HTTP. Invariant: a refusal means that nothing was sold
or changed.
"""

from __future__ import annotations

from largesse.money.errors import DomainError


class UnknownPackage(DomainError):
    """No such coin package was ever on sale, or the wish names too many or too few of it."""

    code = "unknown_package"


class PriceChanged(DomainError):
    """The package's price book is no longer, or not yet, on sale: look at the new prices first."""

    code = "price_changed"


class NothingOnSale(DomainError):
    """No price book is published for the region and channel at this time."""

    code = "nothing_on_sale"


class BadCatalogue(DomainError):
    """A catalogue file contradicts itself or what was published before."""

    code = "bad_catalogue"
