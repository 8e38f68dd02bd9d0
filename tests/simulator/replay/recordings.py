"""Lines of recordings, of our own making."""

from __future__ import annotations

AT = "2026-11-22T10:00:00Z"
GIFT = {"at": AT, "id": "e1", "type": "gift", "fan": "ada", "creator": "milo", "coins": 5}
HEADER = "event,ts,donor,creator,amount_cents,with_comment"


def frame(**changes):
    return {
        "room": "r1",
        "msg_id": "1",
        "create_time_ms": 1696447176242,
        "gift_id": 7,
        "repeat_count": 1,
        "repeat_end": 0,
        "group_id": "g",
        "user": "ada",
        "gift_type": 1,
        "diamond_count": 1,
    } | changes
