"""Reads of rooms.

Owns how pages ask for rooms and what was given in them. Must not change anything. Invariant: a
room's totals here lag the ledger by a second at most, and never lead it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Sum

from largesse.gifting.errors import UnknownRoom
from largesse.gifting.models import Room, RoomTally
from largesse.gifting.rules import RoomStatus
from largesse.money.ids import HolderId, RoomId


@dataclass(frozen=True, slots=True)
class RoomTotals:
    """All that was given in a room: coins, pieces, and how many fans gave."""

    coins: int = 0
    gifts: int = 0
    fans: int = 0


def get_room(room_id: RoomId) -> Room:
    """Return the room, open or closed; raises UnknownRoom."""
    room = Room.objects.filter(pk=room_id).first()
    if room is None:
        raise UnknownRoom("There is no such room.")
    return room


def open_rooms(limit: int = 60) -> list[Room]:
    """Return the rooms that are open, the latest first."""
    return list(Room.objects.filter(status=RoomStatus.OPEN).order_by("-opened_at", "id")[:limit])


def rooms_of(creator: HolderId, limit: int = 60) -> list[Room]:
    """Return a creator's rooms, the latest first."""
    return list(Room.objects.filter(creator=creator).order_by("-opened_at", "id")[:limit])


def open_room_of(creator: HolderId) -> Room | None:
    """Return the creator's open room, or None."""
    return Room.objects.filter(creator=creator, status=RoomStatus.OPEN).first()


def totals_of(rooms: Iterable[RoomId]) -> dict[RoomId, RoomTotals]:
    """Return what was given in each of the rooms; a room without gifts has zeros."""
    totals = {room: RoomTotals() for room in rooms}
    rows = (
        RoomTally.objects.filter(room__in=list(totals))
        .values("room")
        .annotate(all_coins=Sum("coins"), all_gifts=Sum("gifts"), all_fans=Sum(1))
        .values_list("room", "all_coins", "all_gifts", "all_fans")
    )
    totals.update({RoomId(room): RoomTotals(*counts) for room, *counts in rows})
    return totals
