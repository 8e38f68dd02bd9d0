"""Room tokens: what is believed, and that nothing else is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.gifting import tokens
from largesse.gifting.errors import BadRoomToken
from largesse.gifting.tokens import RoomToken
from largesse.money.ids import HolderId, RoomId

KEY = tokens.signing_key("a secret that is long enough for tests")
ROOM = RoomId(2**62 + 5)
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def issued(**changes) -> str:
    facts = {"holder": HolderId(2**62 + 1), "name": "Mina ✨", "room": ROOM, "role": "fan"}
    return tokens.issue(KEY, **{**facts, "now": NOW, **changes})


def test_what_was_issued_is_read():
    token = tokens.verify(KEY, issued(), room=ROOM, now=NOW)
    assert (token.holder, token.name, token.role) == (2**62 + 1, "Mina ✨", "fan")


def resigned(**changes) -> str:
    """A token whose content was changed and whose old signature was kept."""
    body, _, signature = issued().partition(".")
    facts = msgspec.json.decode(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(msgspec.json.encode({**facts, **changes})).rstrip(b"=")
    return f"{changed.decode()}.{signature}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "abc",
        "a.b.c",
        "ü.ü",
        issued() + "A",
        issued()[:-1],
        issued().replace(".", ".A"),
        issued().split(".")[0] + ".",
        resigned(holder=1),
        resigned(role="staff"),
        resigned(expires=2**40),
        "x" * 100_000,
        tokens.sign(
            tokens.signing_key("another secret of enough length!"),
            RoomToken(HolderId(1), "x", ROOM, "fan", 2**40),
        ),
    ],
    ids=lambda text: text[:12],
)
def test_an_altered_token_is_refused(text):
    with pytest.raises(BadRoomToken):
        tokens.verify(KEY, text, room=ROOM, now=NOW)


def test_a_token_expires_and_opens_one_room():
    tokens.verify(KEY, issued(), room=ROOM, now=NOW + tokens.LIFETIME - timedelta(seconds=1))
    with pytest.raises(BadRoomToken, match="expired"):
        tokens.verify(KEY, issued(), room=ROOM, now=NOW + tokens.LIFETIME)
    with pytest.raises(BadRoomToken, match="another room"):
        tokens.verify(KEY, issued(), room=RoomId(1), now=NOW)


def test_a_signed_text_of_another_form_is_refused():
    class Other(msgspec.Struct):
        holder: str

    text = tokens.sign(KEY, Other("x"))  # type: ignore[arg-type]
    with pytest.raises(BadRoomToken, match="another version"):
        tokens.verify(KEY, text, room=ROOM, now=NOW)


@given(st.data())
def test_no_single_change_of_a_token_passes(data):
    text = issued()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("AZaz09-_.=+/ "))
    changed = text[:place] + letter + text[place + 1 :]
    if changed == text:
        return
    with pytest.raises(BadRoomToken):
        tokens.verify(KEY, changed, room=ROOM, now=NOW)
