"""`largesse clock` and `staff`: only a sandbox's clock moves; staff is granted to logins only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from largesse.commands import schema
from largesse.commands.failures import CommandFailure
from largesse.commands.sandbox_clock import read_span
from largesse.people.models import User
from tests.adapters.postgres.ledger_world import COMMITTED, database_url, rows
from tests.commands.conftest import Largesse
from tests.conftest import RegisterPerson

pytestmark = COMMITTED


@pytest.fixture
def books(transactional_db: None, on_tests_database: None) -> Iterator[None]:
    yield
    for table in ("account_emailaddress", "people_user", "people_holder"):
        rows(f"DELETE FROM {table}")
    rows("UPDATE largesse_clock SET offset_seconds = 0")
    rows("COMMENT ON TABLE largesse_clock IS NULL")
    rows("COMMENT ON TABLE django_migrations IS NULL")


@pytest.fixture
def sandbox(books: None) -> None:
    schema.write_marks(database_url(), schema.SANDBOX)


def test_a_sandbox_clock_moves_ahead(sandbox: None, largesse: Largesse) -> None:
    assert json.loads(largesse("clock", "show", "--json").out)["ahead_seconds"] == 0
    answer = largesse("clock", "advance", "15d", "--json")
    assert (answer.code, json.loads(answer.out)["ahead_seconds"]) == (0, 15 * 86_400)
    largesse("clock", "advance", "12h")
    assert "15 days, 12:00:00 ahead" in largesse("clock", "show").out


def test_the_clock_of_real_books_stays(books: None, largesse: Largesse) -> None:
    schema.write_marks(database_url(), schema.REAL)
    answer = largesse("clock", "advance", "15d")
    assert answer.code == 1
    assert "real" in answer.err
    assert rows("SELECT offset_seconds FROM largesse_clock") == [(0,)]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("15d", timedelta(days=15)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("90s", timedelta(seconds=90)),
        ("2w", timedelta(weeks=2)),
        ("5m", timedelta(minutes=5)),
    ],
)
def test_a_span_is_read(text: str, span: timedelta) -> None:
    assert read_span(text) == span


@pytest.mark.parametrize("text", ["", "d", "15", "-1d", "1.5d", "1d 2h", "1y", "999999w"])
def test_no_span_is_wrong_usage(text: str) -> None:
    with pytest.raises(CommandFailure) as refused:
        read_span(text)
    assert refused.value.code == 2


def test_books_stay_what_they_are(books: None) -> None:
    url = database_url()
    schema.write_marks(url, schema.SANDBOX)
    schema.write_marks(url, schema.REAL)
    marks = schema.read_marks(url)
    assert marks.mode == schema.SANDBOX
    assert schema.is_prepared(marks)
    schema.require_mode(marks, schema.SANDBOX, "here")
    with pytest.raises(CommandFailure, match="largesse demo"):
        schema.require_mode(marks, schema.REAL, "here")


def test_a_database_of_another_version_is_not_prepared(books: None) -> None:
    url = database_url()
    assert not schema.is_prepared(schema.read_marks(url))
    rows("COMMENT ON TABLE django_migrations IS 'an older fingerprint'")
    assert not schema.is_prepared(schema.read_marks(url))


def test_staff_is_granted_to_a_login(
    books: None, new_person: RegisterPerson, largesse: Largesse
) -> None:
    person = new_person("Ines")
    answer = largesse("staff", "add", person.email.upper(), "--json")
    assert (answer.code, json.loads(answer.out)["staff"]) == (0, True)
    assert User.objects.get(pk=person.pk).is_staff


def test_nobody_becomes_staff_without_a_login(books: None, largesse: Largesse) -> None:
    answer = largesse("staff", "add", "nobody@example.org")
    assert answer.code == 1
    assert "Sign up" in answer.err
