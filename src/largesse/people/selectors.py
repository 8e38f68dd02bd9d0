"""Reads about people.

Owns how other packages ask who somebody is. Must not change anything. Invariant: an answer never
carries an email address or a secret; only the person's own pages show those.
"""

from __future__ import annotations

from collections.abc import Iterable

from allauth.mfa.models import Authenticator

from largesse.money.ids import HolderId
from largesse.people.errors import UnknownHolder
from largesse.people.models import Holder


def get_holder(holder_id: HolderId) -> Holder:
    """Return the holder; raises UnknownHolder."""
    holder = Holder.objects.filter(pk=holder_id).first()
    if holder is None:
        raise UnknownHolder("No holder has this id.", holder=str(holder_id))
    return holder


def find_holder_by_handle(handle: str) -> Holder | None:
    """Return the holder with this handle, in any letter case, or None."""
    return Holder.objects.filter(handle=handle.strip().lower()).first()


def holders_by_id(holder_ids: Iterable[HolderId]) -> dict[HolderId, Holder]:
    """Return the holders that exist among the ids, by id, in one query."""
    rows = Holder.objects.filter(pk__in=list(holder_ids))
    return {HolderId(holder.id): holder for holder in rows}


def display_names(holder_ids: Iterable[HolderId]) -> dict[HolderId, str]:
    """Return the names that others see, for those of the ids that exist."""
    rows = Holder.objects.filter(pk__in=list(holder_ids)).values_list("id", "display_name")
    return {HolderId(number): name for number, name in rows}


def second_factors(holder_id: HolderId) -> frozenset[str]:
    """Return the kinds of second factor that the login has: authenticator app, passkey or both.

    Recovery codes do not count: they stand in for a factor, they are not one.
    """
    factors = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    rows = Authenticator.objects.filter(user_id=holder_id, type__in=factors)
    return frozenset(rows.values_list("type", flat=True))
