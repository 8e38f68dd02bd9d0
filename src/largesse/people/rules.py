"""What a person may be called, and what a role may do.

Owns roles, handles and display names as pure decisions. Must not know Django, storage or time.
Invariant: a name that passed here shows the same to everybody; it cannot turn the text around it,
hide characters or stack marks over its neighbours.

Source: Unicode Technical Report 36 (security considerations) and Annex 29 (grapheme clusters).
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from largesse.money.ids import HolderId, public_id
from largesse.people.errors import BadDisplayName, BadHandle

HANDLE_MIN = 3
HANDLE_MAX = 40
HANDLE_PATTERN = r"^[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?$"
DISPLAY_NAME_MAX = 40
"""Characters as a reader counts them (grapheme clusters)."""
DISPLAY_NAME_MAX_CODE_POINTS = 160
MARKS_MAX = 3
"""Combining marks on one letter; Vietnamese and Hebrew need three, only mischief needs more."""

_HANDLE = re.compile(HANDLE_PATTERN)
_RESERVED = frozenset(
    {
        *("accounts", "admin", "api", "bank", "console", "house", "largesse", "live", "official"),
        *("operator", "root", "security", "staff", "store", "studio", "support", "system", "team"),
        "wallet",
    }
)
_ZERO_WIDTH_JOINER = "\u200d"
_ZERO_WIDTH_NON_JOINER = "\u200c"
_VARIATION_SELECTORS = frozenset("\ufe0e\ufe0f")
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\u00ad\u034f\u17b4\u17b5")
"""Letters and marks without ink: two different names would look the same."""
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


AVATARS = 6
"""How many avatars are drawn: art/avatars/1.svg to 6.svg."""


class Role(StrEnum):
    """What a person is to the product; everybody is a fan."""

    FAN = "fan"
    CREATOR = "creator"
    STAFF = "staff"


def roles_of(*, is_creator: bool, is_staff: bool) -> frozenset[Role]:
    """Return the roles that a person holds at once."""
    roles = {Role.FAN}
    if is_creator:
        roles.add(Role.CREATOR)
    if is_staff:
        roles.add(Role.STAFF)
    return frozenset(roles)


def avatar_of(holder: HolderId) -> int:
    """Return which avatar, 1 to AVATARS, stands for a person; the same one for ever."""
    return holder % AVATARS + 1


def require_handle(text: str) -> str:
    """Return the handle as it is stored; raises BadHandle (a retry needs another handle)."""
    handle = text.strip().lower()
    if not HANDLE_MIN <= len(handle) <= HANDLE_MAX or not _HANDLE.match(handle):
        raise BadHandle(
            f"A handle has {HANDLE_MIN} to {HANDLE_MAX} of a-z, 0-9, dot, dash and underscore, "
            "and begins and ends with a letter or digit.",
            handle=text[:HANDLE_MAX],
        )
    if handle in _RESERVED:
        raise BadHandle("This handle is kept for the house.", handle=handle)
    return handle


def suggest_handle(name: str, holder: HolderId, *, whole_id: bool = False) -> str:
    """Return a handle made of a name and the tail of its holder's id.

    The same holder and name always get the same handle. `whole_id` appends all 13 characters of
    the id, which no other holder has; the short tail of five may collide once in 33 million.
    """
    tail = public_id("x", holder)[2:]
    tail = tail if whole_id else tail[-5:]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    stem = stem[: HANDLE_MAX - len(tail) - 1].rstrip("-") or "fan"
    return f"{stem}-{tail}"


def suggest_display_name(name: str) -> str:
    """Return the display name for a new person out of any text, never refusing it."""
    kept = "".join(char for char in name if char.isalnum() or char in " ._-'")
    text = " ".join(re.sub(r"[._-]+", " ", kept).split())[:DISPLAY_NAME_MAX].strip()
    try:
        return require_display_name(text)
    except BadDisplayName:
        return "New fan"


def require_display_name(text: str) -> str:
    """Return the name in its stored form (NFC, single spaces); raises BadDisplayName.

    Emoji and every script are welcome; direction controls, invisible and stacked characters are
    refused rather than removed, so that nobody's name changes behind their back.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise BadDisplayName("Type a name that others will see.")
    if (
        name.isascii()
        and name.isprintable()
        and name[0].isalnum()
        and len(name) <= DISPLAY_NAME_MAX
    ):
        return name  # printable ASCII holds nothing that is refused below
    if len(name) > DISPLAY_NAME_MAX_CODE_POINTS or count_graphemes(name) > DISPLAY_NAME_MAX:
        raise BadDisplayName(f"A name has at most {DISPLAY_NAME_MAX} characters.")
    for index in range(len(name)):
        if not _is_plain(name, index):
            raise BadDisplayName(
                "The name holds an invisible or direction-changing character. "
                "Type it again without pasting.",
                code_point=f"U+{ord(name[index]):04X}",
            )
    if _longest_run_of_marks(name) > MARKS_MAX:
        raise BadDisplayName("The name stacks too many marks on one letter.")
    if not any(unicodedata.category(char)[0] in "LNS" for char in name):
        raise BadDisplayName("A name needs at least one letter, digit or symbol.")
    return name


def count_graphemes(text: str) -> int:
    """Count characters as a reader does: marks, joined emoji and flags count once.

    An approximation of Annex 29 that never counts more than it: exact for accents, emoji with
    skin tone or joiner, and flags; Hangul is counted by syllable after NFC.
    """
    count = 0
    joined = False
    open_flag = False
    for char in text:
        if char == _ZERO_WIDTH_JOINER:
            joined = True
            continue
        extends = _is_mark(char) or "\U0001f3fb" <= char <= "\U0001f3ff"
        closes_flag = open_flag and _is_flag_letter(char)
        if not (joined or extends or closes_flag) or count == 0:
            count += 1
        open_flag = _is_flag_letter(char) and not closes_flag
        joined = False
    return count


def _is_plain(name: str, index: int) -> bool:
    char = name[index]
    if char in (_ZERO_WIDTH_JOINER, _ZERO_WIDTH_NON_JOINER):
        return _joins_what_needs_it(name, index)
    if char in _VARIATION_SELECTORS:
        return index > 0 and unicodedata.category(name[index - 1])[0] in "SNP"
    return char not in _BLANK_LETTERS and unicodedata.category(char) not in _REFUSED_CATEGORIES


def _joins_what_needs_it(name: str, index: int) -> bool:
    """Tell whether a joiner stands inside an emoji, or in a script whose spelling needs it."""
    if index == 0 or index + 1 == len(name):
        return False
    before, after = name[index - 1], name[index + 1]
    if unicodedata.category(after) == "So":
        is_emoji = unicodedata.category(before) in ("So", "Sk") or before in _VARIATION_SELECTORS
        return name[index] == _ZERO_WIDTH_JOINER and is_emoji
    return (
        unicodedata.category(before) in ("Lo", "Mn", "Mc") and unicodedata.category(after) == "Lo"
    )


def _longest_run_of_marks(name: str) -> int:
    longest = run = 0
    for char in name:
        run = run + 1 if _is_mark(char) else 0
        longest = max(longest, run)
    return longest


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
