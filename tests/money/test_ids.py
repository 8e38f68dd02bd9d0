"""Ids: public forms, buckets, UUIDv7 keys and the ids that the ledger makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from largesse.money.ids import (
    BUCKETS,
    FAN_BUCKETS,
    BadId,
    HolderId,
    creator_bucket,
    fan_bucket,
    id_from_bytes,
    id_from_name,
    keyed_id,
    parse_public_id,
    public_id,
    require_uuid7,
    uuid7,
)

IDS = st.integers(1, 2**63 - 1)
TIMES = st.integers(0, 2**48 - 1)
RANDOM = st.binary(min_size=10, max_size=20)
PREFIXES = st.sampled_from(["usr", "rch", "pay", "room", "gft"])

KEY = UUID("019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21")


@given(PREFIXES, IDS)
def test_public_ids_come_back(prefix: str, number: int) -> None:
    text = public_id(prefix, number)
    assert len(text) == len(prefix) + 14
    assert text.islower() or text.replace("_", "").isalnum()
    assert parse_public_id(prefix, text) == number
    head, tail = text.split("_")
    assert parse_public_id(prefix, f"{head}_{tail.upper()}") == number


@given(IDS, IDS)
def test_public_ids_sort_as_their_numbers(one: int, other: int) -> None:
    assert (public_id("usr", one) < public_id("usr", other)) == (one < other)


def test_digits_that_people_mistake_are_read_as_meant() -> None:
    text = public_id("usr", 1 << 5)
    assert text == "usr_0000000000010"
    for mistaken in ("usr_00000000000i0", "usr_OOOOOOOOOOOLO", "usr_ooooooooooo1o"):
        assert parse_public_id("usr", mistaken) == 1 << 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "usr",
        "usr_",
        "usr_0c9m2v5x7k1q",
        "usr_0c9m2v5x7k1qzz",
        "rch_0c9m2v5x7k1qz",
        "USR_0c9m2v5x7k1qz",
        "0c9m2v5x7k1qz",
        "usr-0c9m2v5x7k1qz",
        "usr_0c9m2v5x7k1qu",
        "usr_0c9m2v5x7k1q!",
        "usr_0c9m2v5x7k1q ",
        " usr_0c9m2v5x7k1qz",
        "usr_0000000000000",
        "usr_8000000000000",
        "usr_zzzzzzzzzzzzz",
        "usr_0c9m2v5x7k1q\N{FULLWIDTH DIGIT ONE}",
        "usr_0c9m2v5x7k1q\N{KELVIN SIGN}",
        "usr_0c9m2v5x7k1q\N{COMBINING ACUTE ACCENT}",
        "usr_usr_0c9m2v5x7k",
        "usr_0c9m2v5x7k1q\n",
    ],
)
def test_bad_ids_are_refused_with_the_form_that_was_expected(text: str) -> None:
    with pytest.raises(BadId, match="usr_ and 13 characters"):
        parse_public_id("usr", text)


@given(st.text(max_size=20))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        number = parse_public_id("usr", f"usr_{text}")
    except BadId:
        return
    assert parse_public_id("usr", public_id("usr", number)) == number


@given(st.binary(min_size=8, max_size=16))
def test_ids_of_random_bytes_fit_a_bigint_and_are_never_the_platform(random: bytes) -> None:
    assert 1 <= id_from_bytes(random) < 2**63


def test_too_little_randomness_is_refused() -> None:
    with pytest.raises(BadId):
        id_from_bytes(b"1234567")
    with pytest.raises(BadId):
        uuid7(0, b"123456789")


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_names_get_one_id_for_ever_in_their_namespace(space: str, name: str, other: str) -> None:
    assert id_from_name(space, name) == id_from_name(space, name)
    assume(name != other)
    assert id_from_name(space, name) != id_from_name(space, other)


def test_ids_of_names_are_written_in_stone() -> None:
    assert id_from_name("donations", "anon/1") == 5108030414913156528
    assert keyed_id(5, KEY) == UUID("019a9b2c-7e11-7c83-a161-4810fed628e1")


@given(IDS)
def test_a_person_has_a_lane_as_fan_and_another_as_creator(number: int) -> None:
    holder = HolderId(number)
    assert 0 <= fan_bucket(holder) < FAN_BUCKETS <= creator_bucket(holder) < BUCKETS == 128
    assert creator_bucket(holder) - fan_bucket(holder) == FAN_BUCKETS


@given(TIMES, RANDOM)
def test_uuid7_has_the_fields_of_its_standard(unix_ms: int, random: bytes) -> None:
    value = uuid7(unix_ms, random)
    assert value.version == 7
    assert value.variant == "specified in RFC 4122"
    assert value.int >> 80 == unix_ms
    assert require_uuid7(str(value)) == value


def test_uuid7_of_the_standard() -> None:
    """RFC 9562, appendix A.6: 22 February 2022, 14:22:22.00 in UTC-5."""
    at = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    random = (0xCC3 << 68 | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    assert uuid7(int(at.timestamp()) * 1000, random) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@given(TIMES, TIMES, RANDOM, RANDOM)
def test_uuid7_sorts_by_time(one: int, other: int, a: bytes, b: bytes) -> None:
    assume(one != other)
    assert (uuid7(one, a) < uuid7(other, b)) == (one < other)


@pytest.mark.parametrize("unix_ms", [-1, 2**48])
def test_times_that_do_not_fit_are_refused(unix_ms: int) -> None:
    with pytest.raises(BadId):
        uuid7(unix_ms, bytes(10))


def test_a_random_key_is_told_what_to_send() -> None:
    with pytest.raises(BadId) as caught:
        require_uuid7("6ba9b2c7-7e11-4c3a-9d2f-5b8e0c6a4d21")
    assert "must be a UUIDv7 such as 019a9b2c-" in caught.value.message
    assert "UUIDv4 keys are refused because" in caught.value.message
    assert not caught.value.retry_helps


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        str(KEY)[:-1],
        str(KEY) + "0",
        str(KEY).replace("-", ""),
        "{" + str(KEY) + "}",
        "urn:uuid:" + str(KEY),
        " " + str(KEY),
        str(KEY).replace("0", "\N{FULLWIDTH DIGIT ZERO}"),
        "019a9b2c-7e11-7c3a-cd2f-5b8e0c6a4d21",
        "019a9b2c-7e11-1c3a-9d2f-5b8e0c6a4d21",
        "00000000-0000-0000-0000-000000000000",
        "'; DROP TABLE ledger_gift; --",
        None,
        7,
        b"019a9b2c-7e11-7c3a-9d2f-5b8e0c6a4d21",
    ],
    ids=repr,
)
def test_other_keys_are_refused(text: object) -> None:
    with pytest.raises(BadId):
        require_uuid7(text)  # type: ignore[arg-type]


def test_keys_are_read_in_either_case() -> None:
    assert require_uuid7(str(KEY).upper()) == KEY


def test_a_refused_key_is_not_echoed_at_length() -> None:
    with pytest.raises(BadId) as caught:
        require_uuid7("x" * 10_000)
    assert caught.value.data == {"key": "x" * 64}


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), TIMES, RANDOM, RANDOM)
def test_ledger_ids_belong_to_one_scope_and_key(
    scope: int, other: int, unix_ms: int, a: bytes, b: bytes
) -> None:
    client_key = uuid7(unix_ms, a)
    made = keyed_id(scope, client_key)
    assert made == keyed_id(scope, client_key)
    assert (made.version, made.int >> 80) == (7, unix_ms)
    assert made != client_key
    if scope != other:
        assert made != keyed_id(other, client_key)
    if client_key != uuid7(unix_ms, b):
        assert made != keyed_id(scope, uuid7(unix_ms, b))
