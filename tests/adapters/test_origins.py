"""The names of one origin: several on this machine, exactly one elsewhere."""

import pytest

from largesse.adapters.origins import as_opened, is_loopback, nameable, names_of

ELSEWHERE = [
    "https://gifts.example",
    "http://192.0.2.10:8000",
    "http://localhost.gifts.example:8000",
    "http://127.0.0.1.gifts.example:8000",
    "http://notlocalhost:8000",
    "http://[2001:db8::1]:8000",
    "http://0.0.0.0:8000",
]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_has_three_names_on_the_same_port(host: str) -> None:
    names = names_of(f"http://{host}:8000")
    assert names[0] == f"http://{host}:8000"
    assert set(names) == {"http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"}
    assert len(names) == 3


def test_a_default_port_stays_unsaid() -> None:
    assert set(names_of("http://localhost")) == {
        "http://localhost",
        "http://127.0.0.1",
        "http://[::1]",
    }


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_elsewhere_there_is_one_name_however_it_was_opened(origin: str) -> None:
    assert not is_loopback(origin)
    assert names_of(origin) == (origin,)
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert as_opened(origin, host) == origin


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("localhost:8000", "http://localhost:8001"),
        ("LOCALHOST:8000", "http://localhost:8001"),
        ("localhost", "http://localhost:8001"),
        ("127.0.0.1:8000", "http://127.0.0.1:8001"),
        ("[::1]:8000", "http://[::1]:8001"),
        ("gifts.example", "http://127.0.0.1:8001"),
        ("localhost.gifts.example:8000", "http://127.0.0.1:8001"),
        ("127.0.0.2:8000", "http://127.0.0.1:8001"),
        ("", "http://127.0.0.1:8001"),
    ],
)
def test_a_reader_is_led_on_under_the_name_they_came_by(host: str, told: str) -> None:
    assert as_opened("http://127.0.0.1:8001", host) == told


def test_a_policy_names_no_number_in_brackets() -> None:
    assert nameable("http://[::1]:8001") == "http://localhost:8001"
    assert nameable("http://127.0.0.1:8001") == "http://127.0.0.1:8001"
    assert nameable("https://gifts.example") == "https://gifts.example"
