"""The console's side bar leads everywhere it says, and shows nobody a door that is shut."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory

from largesse.money.ids import HolderId
from largesse.people.services import grant_staff
from largesse.web.console_menu import navigation
from tests.conftest import RegisterPerson

pytestmark = pytest.mark.django_db


def test_every_link_opens(operator: Client, rf: RequestFactory) -> None:
    request = rf.get("/console/")
    request.user = operator.get("/").wsgi_request.user
    links = [item["link"] for group in navigation(request) for item in group["items"]]
    assert len(links) == 12
    assert {link: operator.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_whoever_may_see_nothing_is_shown_nothing(
    new_person: RegisterPerson, rf: RequestFactory
) -> None:
    request = rf.get("/console/")
    request.user = grant_staff(HolderId(new_person("clerk").pk), all_permissions=False)
    assert [group["items"] for group in navigation(request)] == [[], [], [], []]


def test_groups_of_permissions_are_not_changed_by_hand(operator: Client) -> None:
    assert "auth/group" not in operator.get("/console/").content.decode()
    assert operator.get("/console/auth/group/").status_code == 404
