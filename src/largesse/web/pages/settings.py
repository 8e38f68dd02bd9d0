"""Settings: the list that leads from a person to their balance, name and security.

Owns the list alone. Must not hold a setting. Invariant: the balance is one step from here.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from largesse.adapters.postgres.book import DjangoBook
from largesse.people.models import User

app_name = "settings"


@login_required
@never_cache
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show the list, with the coins beside Balance."""
    assert isinstance(request.user, User)
    wallet = DjangoBook().wallet(request.user.holder_key)
    coins = wallet.paid.balance + wallet.bonus.balance
    return render(request, "settings/index.html", {"coins": coins})


urlpatterns = [path("", index, name="index")]
