"""Who may see a creator's pages.

Owns the gate of studio and payouts. Must not know what they show. Invariant: a view behind it acts
for the signed-in creator only, whose id it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from largesse.money.ids import HolderId
from largesse.people.models import User

P = ParamSpec("P")
CreatorView = Callable[Concatenate[HttpRequest, HolderId, P], HttpResponseBase]
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def signed_in(request: HttpRequest) -> User:
    """Return the login of a request that passed `login_required`."""
    assert isinstance(request.user, User)
    return request.user


def creator_only(view: CreatorView[P]) -> View[P]:
    """Give the view the creator's id; whoever is none is sent to the studio, which says how."""

    @login_required
    @wraps(view)
    def gated(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        user = signed_in(request)
        if not user.holder.is_creator:
            return redirect("studio:index")
        return view(request, user.holder_key, *args, **kwargs)

    return gated
