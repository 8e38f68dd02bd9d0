"""The commands that change rooms.

Owns how a room opens and closes. Must not know pages, connections or the clock: ids and times come
in as arguments. Invariant: each command is one database transaction; a room never opens again.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from largesse.earnings.selectors import current_policy
from largesse.gifting.errors import NotTheCreator, RoomAlreadyOpen, UnknownRoom
from largesse.gifting.models import Room
from largesse.gifting.rules import RoomStatus, require_title
from largesse.money.ids import HolderId, RoomId
from largesse.people.selectors import get_holder


def open_room(*, room_id: RoomId, creator: HolderId, title: str, now: datetime) -> Room:
    """Open a room under the share policy in force; runs in one transaction.

    Opening the same id again returns the room that stands. Raises BadTitle, NotTheCreator,
    RoomAlreadyOpen (close the other one first), UnknownHolder and UnknownPolicy.
    """
    if not get_holder(creator).is_creator:
        raise NotTheCreator("Become a creator first: then you can open a room.")
    facts = {
        "creator": creator,
        "title": require_title(title),
        "status": RoomStatus.OPEN.value,
        "policy": current_policy(now).number,
        "opened_at": now,
    }
    try:
        with transaction.atomic():
            room, _ = Room.objects.get_or_create(id=room_id, defaults=facts)
    except IntegrityError as error:
        raise RoomAlreadyOpen("You have an open room. Close it before you open another.") from error
    if room.creator != creator:
        raise NotTheCreator("This room belongs to somebody else.")
    return room


@transaction.atomic
def close_room(room_id: RoomId, *, creator: HolderId, now: datetime) -> Room:
    """Close a room for good; runs in one transaction, repeating it changes nothing.

    Raises UnknownRoom and NotTheCreator. The live service sees it within a second and refuses
    gifts from then on; gifts that were committed before stay.
    """
    room = Room.objects.select_for_update().filter(pk=room_id).first()
    if room is None:
        raise UnknownRoom("There is no such room.")
    if room.creator != creator:
        raise NotTheCreator("Only the room's creator closes it.")
    if room.status == RoomStatus.OPEN:
        room.status = RoomStatus.CLOSED.value
        room.closed_at = now
        room.save(update_fields=["status", "closed_at"])
    return room
