"""The tables of gifting: rooms, what was said in them, and tallies derived from the ledger's gifts.

Owns the tables `gifting_*`. Must not know coins that are not yet committed. Invariant: the tallies
and lines can be made again from `ledger_gift`; together with `gifting_tally_mark`, which says up to
which gift of each bucket they go, they hold every gift exactly once.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from largesse.gifting.rules import TITLE_MAX, RoomStatus, RoomTerms
from largesse.money.ids import HolderId, RoomId, public_id


class Room(models.Model):
    """A live room of one creator; opened once, closed once."""

    id = models.BigIntegerField(primary_key=True)
    creator = models.BigIntegerField()
    title = models.CharField(max_length=TITLE_MAX * 8)
    status = models.CharField(
        max_length=8, choices=[(status.value, status.value) for status in RoomStatus]
    )
    policy = models.PositiveIntegerField()
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["creator", "-opened_at"], name="gifting_room_creator"),
            models.Index(
                fields=["-opened_at"], name="gifting_room_open", condition=Q(status="open")
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id__gt=0), name="gifting_room_id_positive"),
            models.CheckConstraint(
                condition=Q(status="open", closed_at__isnull=True)
                | Q(status="closed", closed_at__isnull=False),
                name="gifting_room_closed_at",
            ),
            models.UniqueConstraint(
                fields=["creator"], condition=Q(status="open"), name="gifting_room_one_open"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def public_id(self) -> str:
        """Return the id as the outside knows it, `room_` and 13 characters."""
        return public_id("room", self.id)

    @property
    def terms(self) -> RoomTerms:
        """The room as the rules take it."""
        return RoomTerms(
            RoomId(self.id), HolderId(self.creator), RoomStatus(self.status), self.policy
        )


class RoomTally(models.Model):
    """What one fan gave in one room, in coins and in pieces; written by the tally only."""

    pk = models.CompositePrimaryKey("room", "fan")
    room = models.BigIntegerField()
    fan = models.BigIntegerField()
    coins = models.BigIntegerField()
    gifts = models.BigIntegerField()

    class Meta:
        db_table = "gifting_room_tally"

    def __str__(self) -> str:
        return f"{self.room}/{self.fan}"


class TallyMark(models.Model):
    """The sequence of the last journal of a fans' bucket that the tallies hold."""

    bucket = models.SmallIntegerField(primary_key=True)
    seq = models.BigIntegerField()

    class Meta:
        db_table = "gifting_tally_mark"

    def __str__(self) -> str:
        return f"{self.bucket}: {self.seq}"


class GiftLine(models.Model):
    """A streak or single gift as a room shows it; only each room's latest are kept."""

    pk = models.CompositePrimaryKey("bucket", "first_seq")
    bucket = models.SmallIntegerField()
    first_seq = models.BigIntegerField()
    room = models.BigIntegerField()
    fan = models.BigIntegerField()
    gift = models.IntegerField()
    count = models.BigIntegerField()
    coins = models.BigIntegerField()
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "gifting_gift_line"
        indexes: ClassVar = [
            models.Index(fields=["room", "-opened_at"], name="gifting_gift_line_room")
        ]

    def __str__(self) -> str:
        return f"{self.bucket}/{self.first_seq}"


class Comment(models.Model):
    """What a person wrote in a room, by the key of the request; `gift_seq` where a gift carried it.

    A gift's message has the first sequence of its line (its streak, or itself); a comment has 0.
    """

    id = models.UUIDField(primary_key=True)
    room = models.BigIntegerField()
    holder = models.BigIntegerField()
    gift_seq = models.BigIntegerField()
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["room", "-at"], name="gifting_comment_room")]

    def __str__(self) -> str:
        return self.text
