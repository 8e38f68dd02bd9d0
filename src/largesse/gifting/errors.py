"""Refusals of gifting. Must not know HTTP. Invariant: a refusal means that nothing was charged."""

from __future__ import annotations

from largesse.money.errors import DomainError


class UnknownRoom(DomainError):
    """No room has this id."""

    code = "unknown_room"


class RoomClosed(DomainError):
    """The creator has closed the room; it takes no gifts and no comments."""

    code = "room_closed"


class RoomAlreadyOpen(DomainError):
    """A creator has one open room at a time."""

    code = "room_already_open"


class NotTheCreator(DomainError):
    """Only creators open rooms, and only the room's own creator closes it."""

    code = "not_the_creator"


class BadTitle(DomainError):
    """The title of a room is empty, too long, or holds characters that hide or turn text."""

    code = "bad_title"


class UnknownGift(DomainError):
    """The catalogue has no gift of this name."""

    code = "unknown_gift"


class GiftRetired(DomainError):
    """The gift left the catalogue; what was sent of it stays sent."""

    code = "gift_retired"


class BadCount(DomainError):
    """The count of pieces is not a whole number that this gift may be sent in."""

    code = "bad_count"


class SelfGift(DomainError):
    """Creators do not gift themselves."""

    code = "self_gift"


class BadComment(DomainError):
    """The text of a comment or message is empty, too long, or hides or turns other text."""

    code = "bad_comment"


class TooFast(DomainError):
    """More than a person can mean in this time; `retry_after_seconds` says when to go on."""

    code = "too_fast"
    retry_helps = True


class BadRoomToken(DomainError):
    """The room token is missing, altered, expired, or made for another room."""

    code = "bad_room_token"


class InsufficientCoins(DomainError):
    """The wallet holds fewer coins than the gift costs; `shortfall` says how many are missing."""

    code = "insufficient_coins"


class WalletBlocked(DomainError):
    """A debt or a freeze keeps this wallet from spending."""

    code = "wallet_blocked"
