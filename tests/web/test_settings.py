"""What the settings make of the configuration, and the parts that they are made of."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from django.apps import apps
from django.core.mail import EmailMessage, get_connection
from django.db import connection
from django.test import Client
from pytest_django import Settings

from largesse.adapters import clock
from largesse.adapters.config import ConfigError
from largesse.web import sandbox_clock
from largesse.web.csp import page_policy
from largesse.web.database import database_settings
from largesse.web.logs import DiscreetFormatter
from largesse.web.mail import SANDBOX_BACKEND, Relay, read_relay
from largesse.web.pages.sandbox_mail import newest_mails

NAMES = [
    "ALLOWED_HOSTS",
    "CONTENT_SECURITY_POLICY",
    "CSRF_COOKIE_NAME",
    "CSRF_COOKIE_SECURE",
    "CSRF_TRUSTED_ORIGINS",
    "DEBUG",
    "EMAIL_BACKEND",
    "EMAIL_HOST",
    "HAS_SANDBOX_MAIL_PAGE",
    "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN",
    "SECURE_HSTS_SECONDS",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_SECURE",
]

PRINT = f"""
import json
from largesse.web import settings
print(json.dumps({{name: getattr(settings, name) for name in {NAMES!r}}}))
"""


def settings_under(tmp_path: Path, **environ: str) -> dict[str, object]:
    """Return the settings that a fresh process would run with."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    run = subprocess.run(
        [sys.executable, "-c", PRINT],
        env={**kept, "LARGESSE_DATA": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(run.stdout)
    return found


def words_of(found: dict[str, object], name: str) -> list[str]:
    words = found[name]
    assert isinstance(words, list)
    return words


def policy_words(found: dict[str, object], directive: str) -> list[str]:
    policy = found["CONTENT_SECURITY_POLICY"]
    assert isinstance(policy, dict)
    words: list[str] = policy["DIRECTIVES"][directive]
    return words


def test_behind_https_everything_is_tied_to_it(tmp_path: Path) -> None:
    found = settings_under(
        tmp_path,
        LARGESSE_PUBLIC_URL="https://coins.example",
        LARGESSE_LIVE_URL="https://live.coins.example",
        LARGESSE_SANDBOX_URL="https://sandbox.coins.example",
        LARGESSE_SMTP_URL="smtp://robot:secret@mail.example:587",
    )
    assert found["SESSION_COOKIE_NAME"] == "__Host-largesse_session"
    assert found["CSRF_COOKIE_NAME"] == "__Host-largesse_csrf"
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://coins.example"]
    assert policy_words(found, "connect-src") == [
        "'self'",
        "https://live.coins.example",
        "wss://live.coins.example",
    ]
    assert "coins.example" in str(found["ALLOWED_HOSTS"])
    assert found["MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN"] is False
    assert found["HAS_SANDBOX_MAIL_PAGE"] is False
    assert found["EMAIL_HOST"] == "mail.example"
    assert found["DEBUG"] is False
    assert policy_words(found, "form-action") == ["'self'"]


def test_the_sandbox_keeps_mail_at_home_and_reaches_its_checkout(tmp_path: Path) -> None:
    found = settings_under(tmp_path, LARGESSE_SANDBOX="1")
    assert found["EMAIL_BACKEND"] == SANDBOX_BACKEND
    assert found["HAS_SANDBOX_MAIL_PAGE"] is True
    assert found["SESSION_COOKIE_SECURE"] is False
    assert found["SECURE_HSTS_SECONDS"] == 0
    assert policy_words(found, "form-action") == [
        "'self'",
        "http://127.0.0.1:8002",
        "http://localhost:8002",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_may_be_opened_under_each_of_its_names(tmp_path: Path, host: str) -> None:
    found = settings_under(tmp_path, LARGESSE_PUBLIC_URL=f"http://{host}:9000")
    assert set(words_of(found, "ALLOWED_HOSTS")) == {"127.0.0.1", "localhost", "[::1]"}
    assert set(words_of(found, "CSRF_TRUSTED_ORIGINS")) == {
        "http://127.0.0.1:9000",
        "http://localhost:9000",
        "http://[::1]:9000",
    }
    # A policy cannot name an IPv6 number; pages opened by it call the live service as localhost.
    assert set(policy_words(found, "connect-src")) == {"'self'"} | {
        f"{scheme}://{name}:9001"
        for scheme in ("http", "ws")
        for name in ("127.0.0.1", "localhost")
    }


def test_a_public_address_gets_no_name_of_this_machine(tmp_path: Path) -> None:
    found = settings_under(tmp_path, LARGESSE_PUBLIC_URL="http://demo.example:8000")
    assert found["CSRF_TRUSTED_ORIGINS"] == ["http://demo.example:8000"]
    assert policy_words(found, "connect-src") == [
        "'self'",
        "http://demo.example:8001",
        "ws://demo.example:8001",
    ]


def test_a_sandbox_on_the_network_has_no_mail_page(tmp_path: Path) -> None:
    found = settings_under(
        tmp_path, LARGESSE_SANDBOX="1", LARGESSE_PUBLIC_URL="http://demo.example:8000"
    )
    assert found["HAS_SANDBOX_MAIL_PAGE"] is False


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("smtp://localhost:25", Relay("localhost", 25, "", "", False, False)),
        ("smtp://a:p%40ss@mail.example:587", Relay("mail.example", 587, "a", "p@ss", False, True)),
        ("smtps://mail.example", Relay("mail.example", 465, "", "", True, False)),
    ],
)
def test_a_mail_relay_is_read_from_its_address(url: str, relay: Relay) -> None:
    assert read_relay(url) == relay


@pytest.mark.parametrize("url", ["mail.example", "http://u:geheim@mail.example", "smtp://"])
def test_a_bad_mail_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_relay(url)
    assert "geheim" not in str(caught.value)


def test_a_database_address_becomes_settings() -> None:
    found = database_settings("postgresql://app:p%40ss@db.example:6432/books?sslmode=require")
    assert found["NAME"] == "books"
    assert (found["USER"], found["PASSWORD"]) == ("app", "p@ss")
    assert (found["HOST"], found["PORT"]) == ("db.example", "6432")
    assert found["OPTIONS"] == {"sslmode": "require"}
    assert found["CONN_HEALTH_CHECKS"] is True


def test_a_socket_directory_is_a_host() -> None:
    assert database_settings("postgresql:///books?host=/run/pg")["HOST"] == "/run/pg"


def test_without_a_sandbox_no_form_leaves_the_origin() -> None:
    policy = page_policy(live_url="https://live.example", checkout_url=None)
    assert policy["form-action"] == ["'self'"]


class TestLog:
    def test_addresses_and_row_details_are_masked(self) -> None:
        record = logging.LogRecord(
            "django.request",
            logging.ERROR,
            __file__,
            1,
            'duplicate key "people_user_email_key"\nDETAIL:  Key (email)=(m@x.org) exists.\nfor %s',
            ("mina.o+1@example.org",),
            None,
        )
        line = DiscreetFormatter("%(levelname)s %(message)s").format(record)
        assert "@" not in line
        assert "Key (email)" not in line
        assert "people_user_email_key" in line

    def test_tracebacks_are_masked_too(self) -> None:
        try:
            raise ValueError("no such user: mina@example.org")
        except ValueError:
            record = logging.LogRecord("x", logging.ERROR, __file__, 1, "x", (), sys.exc_info())
        assert "mina@" not in DiscreetFormatter("%(message)s").format(record)


class TestSandboxClock:
    @pytest.fixture(autouse=True)
    def restored(self) -> Iterator[None]:
        before = clock.installed()
        yield
        clock.install(before)

    @pytest.mark.django_db
    def test_it_follows_the_shared_offset(self) -> None:
        real = clock.now()
        sandbox_clock.follow()
        with connection.cursor() as cursor:
            cursor.execute(clock.ADVANCE_OFFSET_SQL, {"seconds": 86_400})
        clock.installed().forget_offset()
        assert timedelta(days=1) <= clock.now() - real < timedelta(days=1, minutes=5)

    @pytest.mark.parametrize(("is_sandbox", "follows"), [(True, True), (False, False)])
    def test_only_a_sandbox_follows_it(
        self, settings: Settings, is_sandbox: bool, follows: bool
    ) -> None:
        before = clock.installed()
        settings.CONFIG = replace(settings.CONFIG, sandbox=is_sandbox)
        apps.get_app_config("web").ready()
        assert (clock.installed() is not before) is follows


class TestSandboxMail:
    def send(self, folder: Path) -> None:
        connection = get_connection(SANDBOX_BACKEND, file_path=str(folder))
        for subject in ("First", "Second ✓"):
            message = EmailMessage(subject, "Code:\n\n1234-5678", "a@x.example", ["b@x.example"])
            assert connection.send_messages([message]) == 1

    def test_mail_is_printed_and_kept(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Settings
    ) -> None:
        settings.EMAIL_FILE_PATH = str(tmp_path)
        self.send(tmp_path)
        assert "1234-5678" in capsys.readouterr().out
        mails = newest_mails(tmp_path)
        assert {mail.subject for mail in mails} == {"First", "Second ✓"}
        assert mails[0].text == "Code:\n\n1234-5678"
        assert mails[0].to == "b@x.example"

    def test_no_folder_is_no_mail(self, tmp_path: Path) -> None:
        assert newest_mails(tmp_path / "absent") == []

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("is_open", "status"), [(True, HTTPStatus.OK), (False, HTTPStatus.NOT_FOUND)]
    )
    def test_the_page_exists_on_ones_own_sandbox_only(
        self,
        client: Client,
        settings: Settings,
        tmp_path: Path,
        is_open: bool,
        status: HTTPStatus,
    ) -> None:
        settings.HAS_SANDBOX_MAIL_PAGE = is_open
        settings.EMAIL_FILE_PATH = tmp_path
        assert client.get("/sandbox/mail/").status_code == status
