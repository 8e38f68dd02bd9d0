"""Columns arrive as they were written, by either way of writing them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from largesse.adapters.postgres.columns import Column, arrays

pytestmark = pytest.mark.django_db

_TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
_TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2300, 1, 1)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=timezone(timedelta(hours=5, minutes=45)))
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "text": _TEXTS,
    "bytea": st.binary(),
    "uuid": st.uuids(),
    "timestamptz": _TIMES,
}


@pytest.mark.parametrize("kind", _VALUES)
@pytest.mark.parametrize("server_side", [True, False])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_values_arrive(kind: str, server_side: bool, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | _VALUES[kind], max_size=5))
    if data.draw(st.booleans()):
        values = [value for value in values if value is not None]
    with connection.cursor() as cursor:
        assert connection.connection is not None
        raw = (
            psycopg.Cursor(connection.connection)
            if server_side
            else psycopg.ClientCursor(connection.connection)
        )
        raw.execute(f"SELECT * FROM unnest(%s::{kind}[]) v", [Column(kind, values)])
        found = [row[0] for row in raw.fetchall()]
        cursor.close()
    assert found == values


def test_json_arrives() -> None:
    texts = ('{"a": "it\'s \\\\ \\"quoted\\""}', "{}")
    for form in (psycopg.Cursor, psycopg.ClientCursor):
        with connection.cursor():
            assert connection.connection is not None
            raw = form(connection.connection)
            raw.execute("SELECT v->>'a' FROM unnest(%s::jsonb[]) v", [Column("jsonb", texts)])
            assert raw.fetchall() == [('it\'s \\ "quoted"',), (None,)]


def test_rows_become_columns() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    key = UUID(int=1)
    assert arrays("bigint uuid timestamptz", [(1, key, at), (2, key, None)]) == [
        Column("bigint", (1, 2)),
        Column("uuid", (key, key)),
        Column("timestamptz", (at, None)),
    ]
    assert arrays("bigint text", []) == [Column("bigint", ()), Column("text", ())]
