"""What every answer tells the browser: policies, cookies, caches and error pages."""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLResolver, get_resolver

from tests.conftest import RegisterPerson, SignIn

pytestmark = pytest.mark.django_db

OPEN_PAGES = [
    "/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/no-such-page/",
]
OWN_PAGES = [
    "/me/",
    "/accounts/logout/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
]


def policy_of(response) -> dict[str, list[str]]:
    parts = response["Content-Security-Policy"].split(";")
    return {words[0]: words[1:] for part in parts if (words := part.split())}


def assert_strict(response) -> None:
    policy = policy_of(response)
    assert policy["default-src"] == ["'self'"]
    assert policy["script-src"] == ["'self'"]
    assert policy["style-src"] == ["'self'"]
    assert policy["base-uri"] == policy["object-src"] == policy["frame-ancestors"] == ["'none'"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]


def assert_nothing_inline(response) -> None:
    """A page must work under the policy that it is sent with."""
    text = response.content.decode()
    assert " style=" not in text
    assert "<style" not in text
    assert " onclick=" not in text
    for tag in text.split("<script")[1:]:
        opening = tag.partition(">")[0]
        assert "src=" in opening or 'type="application/json"' in opening, opening


@pytest.mark.parametrize("path", OPEN_PAGES)
def test_open_pages_are_sent_with_the_strict_policy(client: Client, path: str) -> None:
    response = client.get(path)
    assert_strict(response)
    assert_nothing_inline(response)


@pytest.mark.parametrize("path", OWN_PAGES)
def test_own_pages_are_sent_with_the_strict_policy(
    new_person: RegisterPerson, signed_in: SignIn, path: str
) -> None:
    response = signed_in(new_person()).get(path)
    assert response.status_code == HTTPStatus.OK
    assert_strict(response)
    assert_nothing_inline(response)


def test_the_live_service_and_nobody_else_may_be_called(client: Client) -> None:
    port = urlsplit(settings.CONFIG.live_url).port
    allowed = policy_of(client.get("/"))["connect-src"]
    assert allowed == ["'self'"] + [
        f"{scheme}://{name}:{port}"
        for scheme in ("http", "ws")
        for name in ("127.0.0.1", "localhost")
    ]


def test_the_console_is_looser_but_stays_at_home(operator: Client) -> None:
    response = operator.get("/console/")
    assert response.status_code == HTTPStatus.OK
    policy = policy_of(response)
    assert "'unsafe-inline'" in policy["style-src"]
    assert policy["default-src"] == ["'self'"]
    sources = {word for words in policy.values() for word in words}
    assert not any("//" in word or word == "*" for word in sources)
    assert_strict(operator.get("/"))


def test_the_cookies_are_closed_to_scripts_and_other_sites(
    client: Client, new_person: RegisterPerson, password: str
) -> None:
    page = client.get("/accounts/login/")
    csrf = page.cookies[settings.CSRF_COOKIE_NAME]
    answer = client.post("/accounts/login/", {"login": new_person().email, "password": password})
    session = answer.cookies[settings.SESSION_COOKIE_NAME]
    for cookie in (csrf, session):
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["domain"] == ""


def test_the_front_page_sets_no_cookie_on_strangers(client: Client) -> None:
    assert not client.get("/").cookies


def test_errors_are_pages_that_reveal_nothing(client: Client) -> None:
    client.raise_request_exception = False
    missing = client.get("/no-such-page/")
    assert missing.status_code == HTTPStatus.NOT_FOUND
    assert "There is nothing at this address" in missing.content.decode()

    wrong_host = client.get("/", headers={"host": "evil.example"})
    assert wrong_host.status_code == HTTPStatus.BAD_REQUEST
    assert "evil.example" not in wrong_host.content.decode()


def test_a_broken_page_says_what_is_safe(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("largesse.web.pages.landing.render", broken)
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    text = response.content.decode()
    assert "Something broke on our side" in text
    assert "a secret detail" not in text
    assert_strict(response)


@pytest.mark.parametrize(
    "file", ["largesse/css/tokens.css", "largesse/js/base.js", "largesse/art/logo.svg"]
)
def test_static_files_are_served_from_where_they_lie(client: Client, file: str) -> None:
    with closing(client.get(f"/static/{file}")) as response:
        assert response.getvalue() == Path(str(finders.find(file))).read_bytes()
    assert response.status_code == HTTPStatus.OK
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "max-age" in response["Cache-Control"]


def test_every_page_group_keeps_to_its_name() -> None:
    """`urls` promises: the `app_name` of a group is the name of its module."""
    for group in get_resolver().url_patterns:
        module = getattr(group, "urlconf_name", None)
        name = getattr(module, "__name__", "")
        if isinstance(group, URLResolver) and name.startswith("largesse.web.pages."):
            assert group.app_name == name.rpartition(".")[2]
