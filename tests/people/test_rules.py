"""Names and roles, a row per decision."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse import web
from largesse.money.ids import HolderId, public_id
from largesse.people.errors import BadDisplayName, BadHandle
from largesse.people.rules import (
    AVATARS,
    DISPLAY_NAME_MAX,
    HANDLE_MAX,
    Role,
    avatar_of,
    count_graphemes,
    require_display_name,
    require_handle,
    roles_of,
    suggest_display_name,
    suggest_handle,
)

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1eb\U0001f1f7"

HOLDERS = st.integers(min_value=1, max_value=2**63 - 1).map(HolderId)


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("Mina", "Mina"),
        ("  Mina \t  Okafor ", "Mina Okafor"),
        ("line\u2028break", "line break"),
        ("Zoe\u0308", "Zo\u00eb"),  # NFC: one spelling for one look
        ("محمد", "محمد"),
        ("אבי", "אבי"),
        (
            "\u0645\u06cc\u200c\u062e",
            "\u0645\u06cc\u200c\u062e",
        ),  # Persian spells with a non-joiner
        ("李小龍", "李小龍"),
        ("Nguyễn", "Nguyễn"),
        (f"The {FAMILY}", f"The {FAMILY}"),
        (f"Léa {FLAG}", f"Léa {FLAG}"),
        ("\u2764\ufe0f heart", "\u2764\ufe0f heart"),
        ("O'Neil-Smith Jr.", "O'Neil-Smith Jr."),
        ("x" * DISPLAY_NAME_MAX, "x" * DISPLAY_NAME_MAX),
        (FAMILY * 10, FAMILY * 10),  # fifty code points, ten characters
    ],
)
def test_a_good_name_is_stored_in_one_form(given_name: str, stored: str) -> None:
    assert require_display_name(given_name) == stored
    assert require_display_name(stored) == stored


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\u202eanim",  # right-to-left override turns the words around it
        "a\u2066b\u2069",  # isolates
        "pay\u200epal",
        "admin\u200b",  # zero width space
        "ad\u200dmin",  # joiner between Latin letters
        "\u200dx",
        "x\u200c",
        "\ufeffx",
        "x\ufe0f",  # emoji selector on a letter
        "a\u00adb",  # soft hyphen
        "\u3164",  # a letter without ink
        "\u2800\u2800",
        "bell\x07",
        "\ue000",  # private use
        "...",
        "\U0001f468\u200c\U0001f469",  # emoji join with the joiner only
        "x" * (DISPLAY_NAME_MAX + 1),
        FAMILY * 40,  # few characters, too many code points
        "x" + "\u0301\u0302\u0303\u0304",  # stacked marks
    ],
)
def test_a_name_that_deceives_the_eye_is_refused(name: str) -> None:
    with pytest.raises(BadDisplayName):
        require_display_name(name)


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("", 0),
        ("abc", 3),
        ("e\u0301", 1),
        (FAMILY, 1),
        (FLAG, 1),
        (FLAG + FLAG, 2),
        ("\U0001f44b\U0001f3fd", 1),
        ("\u2764\ufe0f", 1),
        ("한국", 2),
    ],
)
def test_characters_are_counted_as_a_reader_counts(text: str, characters: int) -> None:
    assert count_graphemes(text) == characters


@given(st.text(max_size=300))
def test_a_name_is_refused_or_kept_for_good(text: str) -> None:
    try:
        stored = require_display_name(text)
    except BadDisplayName:
        return
    assert require_display_name(stored) == stored
    assert count_graphemes(stored) <= min(len(stored), DISPLAY_NAME_MAX)


@given(st.text(max_size=300))
def test_a_suggested_name_is_always_good(text: str) -> None:
    name = suggest_display_name(text)
    assert require_display_name(name) == name


@given(st.text(max_size=300), HOLDERS, st.booleans())
def test_a_suggested_handle_is_always_good(text: str, holder: HolderId, whole: bool) -> None:
    handle = suggest_handle(text, holder, whole_id=whole)
    assert require_handle(handle) == handle
    assert handle == suggest_handle(text, holder, whole_id=whole)


@given(st.sampled_from(["mina", "x" * 60, "..."]), HOLDERS)
def test_the_long_suggestion_holds_the_whole_id(name: str, holder: HolderId) -> None:
    assert suggest_handle(name, holder, whole_id=True).endswith(public_id("usr", holder)[4:])


@pytest.mark.parametrize(
    "handle", ["ab", "-ab", "ab-", "a b", "ünal", "a" * (HANDLE_MAX + 1), "admin", "HOUSE", "a\nb"]
)
def test_a_bad_or_kept_handle_is_refused(handle: str) -> None:
    with pytest.raises(BadHandle):
        require_handle(handle)


def test_a_handle_is_stored_in_lower_case() -> None:
    assert require_handle(" Mina.O-2 ") == "mina.o-2"


@given(HOLDERS)
def test_an_avatar_is_one_of_those_that_are_drawn(holder: HolderId) -> None:
    assert 1 <= avatar_of(holder) <= AVATARS


def test_all_avatars_are_drawn() -> None:
    folder = Path(web.__file__).parent / "static/largesse/art/avatars"
    drawn = {int(file.stem) for file in folder.glob("*.svg")}
    assert drawn == set(range(1, AVATARS + 1))


def test_everybody_is_a_fan() -> None:
    assert roles_of(is_creator=False, is_staff=False) == {Role.FAN}
    assert roles_of(is_creator=True, is_staff=True) == {Role.FAN, Role.CREATOR, Role.STAFF}
