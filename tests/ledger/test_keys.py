"""How old a key may be: a row for each side of each limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.ledger.errors import StaleKey
from largesse.ledger.keys import is_fresh, require_fresh
from largesse.money.ids import keyed_id, uuid7

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY, FIVE_MINUTES = timedelta(hours=24), timedelta(minutes=5)


def key_of(at: datetime) -> UUID:
    return uuid7((at - datetime(1970, 1, 1, tzinfo=UTC)) // MILLISECOND, bytes(10))


@pytest.mark.parametrize(
    ("made", "fresh"),
    [
        (NOW, True),
        (NOW - DAY, True),
        (NOW - DAY - MILLISECOND, False),
        (NOW + FIVE_MINUTES, True),
        (NOW + FIVE_MINUTES + MILLISECOND, False),
        (NOW - 31 * DAY, False),
        (datetime(1970, 1, 1, tzinfo=UTC), False),
        (datetime(9999, 12, 31, tzinfo=UTC), False),
    ],
)
def test_a_key_begins_something_within_its_window(made: datetime, fresh: bool):
    assert is_fresh(key_of(made), now=NOW) is fresh
    if fresh:
        require_fresh(key_of(made), now=NOW)
    else:
        with pytest.raises(StaleKey, match="Make a new UUIDv7 from the current time"):
            require_fresh(key_of(made), now=NOW)


def test_the_largest_time_that_a_key_holds_is_only_too_far_ahead():
    with pytest.raises(StaleKey, match="lies ahead of ours"):
        require_fresh(uuid7(2**48 - 1, bytes(10)), now=NOW)
    with pytest.raises(StaleKey, match="long past"):
        require_fresh(uuid7(0, bytes(10)), now=NOW)


def test_in_a_sandbox_whose_clock_was_moved_both_clocks_are_in_time():
    moved = NOW + 15 * DAY
    for made in (NOW, NOW - DAY, moved, moved + FIVE_MINUTES):
        assert is_fresh(key_of(made), now=moved, machine_now=NOW)
    assert not is_fresh(key_of(NOW - DAY - MILLISECOND), now=moved, machine_now=NOW)
    assert not is_fresh(key_of(NOW), now=moved)
    assert not is_fresh(key_of(moved), now=NOW)


@given(st.integers(0, 2**48 - 1), st.integers(1, 2**63 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_is_as_old_as_the_key_that_it_was_made_of(unix_ms: int, scope: int, random: bytes):
    key = uuid7(unix_ms, random)
    assert is_fresh(keyed_id(scope, key), now=NOW) is is_fresh(key, now=NOW)
