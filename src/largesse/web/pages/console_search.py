"""Finding a person for the console.

Owns what an operator may type: a name, a handle, an email address, or the public id of a person, an
order or a payout. Must not show anything. Invariant: an answer is a handful of holders, never a
dump, and costs one indexed look-up or a bounded scan.
"""

from __future__ import annotations

from django.db.models import Q

from largesse.money.ids import BadId, parse_public_id
from largesse.payouts.models import Payout
from largesse.people.models import Holder
from largesse.recharge.models import Order

MOST_FOUND = 12
_SHORTEST_NAME = 2


def find(query: str) -> list[Holder]:
    """Return the holders that a query means, by handle; at most twelve."""
    text = query.strip()
    if "_" in text:
        by_id = _by_public_id(text)
        if by_id is not None:
            return list(Holder.objects.filter(pk=by_id))
    if "@" in text.strip("@"):
        return list(Holder.objects.filter(login__email=text.lower()))
    name = text.removeprefix("@")
    if len(name) < _SHORTEST_NAME:
        return []
    matches = Q(handle__istartswith=name) | Q(display_name__icontains=name)
    return list(Holder.objects.filter(matches).order_by("handle")[:MOST_FOUND])


def _by_public_id(text: str) -> int | None:
    """Return the holder behind the public id of a person, an order or a payout, or None."""
    prefix = text.partition("_")[0]
    try:
        number = parse_public_id(prefix, text)
    except BadId:
        return None
    if prefix == "usr":
        return number
    if prefix == "rch":
        return Order.objects.filter(pk=number).values_list("holder", flat=True).first()
    if prefix == "pay":
        return Payout.objects.filter(pk=number).values_list("holder", flat=True).first()
    return None
