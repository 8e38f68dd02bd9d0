"""Browsers of creators and operators, over the small world of `tests.earnings.street`.

Owns the shortest way to a signed-in page with diamonds on it. Must not know the pages. Invariant:
people and money are made by services.
"""

from __future__ import annotations

import time
from datetime import timedelta

from allauth.mfa.totp.internal.auth import TOTP
from django.test import Client

from largesse.adapters import clock
from largesse.adapters.postgres import maturing
from largesse.earnings.services import mature_earnings
from largesse.money.ids import HolderId
from largesse.people.models import User
from largesse.people.services import grant_staff
from tests.conftest import RegisterPerson
from tests.earnings.street import Street

_KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def street_of_today() -> Street:
    """Return a street that stands fifteen days before now, so that much can mature by now."""
    return Street(clock.now() - timedelta(days=15))


def mature_until_now(street: Street) -> None:
    """Let mature what is due now, and bring the street to now."""
    street.now = clock.now()
    mature_earnings(street.book, maturing, now=street.now, new_key=street.key)


def browser_of(user: User, password: str) -> Client:
    """Return a browser that has just signed in, and has proved once more who it is."""
    client = Client()
    response = client.post("/accounts/login/", {"login": user.email, "password": password})
    assert response.status_code == 302, response.content.decode()[:2000]
    response = client.post("/accounts/reauthenticate/", {"password": password})
    assert response.status_code == 302, response.content.decode()[:2000]
    return client


def operator_browser(new_person: RegisterPerson, *, everything: bool = True) -> Client:
    """Return the browser of staff who have just proved their second factor."""
    user = new_person("operator")
    grant_staff(HolderId(user.pk), all_permissions=everything)
    TOTP.activate(user, _KEY)
    client = Client()
    client.force_login(user)
    session = client.session
    session["account_authentication_methods_user"] = str(user.pk)
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time()},
        {"method": "mfa", "type": "totp", "at": time.time()},
    ]
    session.save()
    return client
