"""Fixtures that every test of Django code may use, and what is said at the end of a run.

Owns people to act as, a fast password hash, Hypothesis's profiles, and the figures that tests note.
Must not know any feature. Protects one invariant: a fixture builds its world through services, as
the product does.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Protocol

import pyotp
import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.test import Client
from hypothesis import settings
from pytest_django import Settings

from largesse.money.ids import HolderId, id_from_name
from largesse.people.models import User
from largesse.people.services import become_creator, grant_staff, register_person

OPERATOR_KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "correct horse battery staple"
START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


# Chosen with `--hypothesis-profile=`. Tests that drive the ledger against a model take their number
# of steps from it: many in a night, few on a second server.
settings.register_profile("nightly", derandomize=False, print_blob=True)
settings.register_profile("brief")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin files that hold slow tests first, so that parallel workers end at about one time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests noted as figures (steps, seed, hash of the log), with the commit."""
    reports = [
        report for found in ("passed", "failed") for report in terminalreporter.getreports(found)
    ]
    noted = [
        f"{report.nodeid}: {value}"
        for report in reports
        for name, value in report.user_properties
        if name == "figures" and report.when == "call"
    ]
    if noted:
        terminalreporter.section(f"figures at commit {_commit()}")
        for line in noted:
            terminalreporter.write_line(line)


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"


class RegisterPerson(Protocol):
    """Registers a person with a verified address, `<name>@example.org`, and PASSWORD."""

    def __call__(self, name: str = "", *, creator: bool = False) -> User: ...


class SignIn(Protocol):
    """Returns a browser in which the person is signed in by password, without second factor."""

    def __call__(self, user: User) -> Client: ...


@pytest.fixture(autouse=True)
def fast_passwords(settings: Settings) -> None:
    """Hash passwords cheaply: their strength is not what tests are about."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def new_person(db: None) -> RegisterPerson:
    """Return a maker of people; equal names get equal ids in every run."""
    numbers = count(1)

    def register(name: str = "", *, creator: bool = False) -> User:
        name = name or f"person-{next(numbers)}"
        holder_id = HolderId(id_from_name("tests", name))
        user = register_person(
            holder_id=holder_id,
            email=f"{name}@example.org",
            password=PASSWORD,
            at=START,
            email_verified=True,
        )
        if creator:
            become_creator(holder_id)
            user.holder.refresh_from_db()
        return user

    return register


@pytest.fixture
def signed_in(db: None) -> SignIn:
    """Return a maker of browsers for people."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def operator(new_person: RegisterPerson) -> Client:
    """Return a browser in which staff signed in by password and authenticator app."""
    user = grant_staff(HolderId(new_person("operator").pk), all_permissions=True)
    TOTP.activate(user, OPERATOR_KEY)
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    client.post("/accounts/2fa/authenticate/", {"code": pyotp.TOTP(OPERATOR_KEY).now()})
    assert client.get("/").wsgi_request.user == user
    return client


@pytest.fixture
def password() -> str:
    """Return the password of everybody whom `new_person` registers."""
    return PASSWORD
