"""How a viewer applies events to a snapshot: the contract of the stream, in forty lines.

Owns the reading side as any client would write it. Must not import the service. Invariant: it uses
nothing but what the events carry.
"""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]
LINES = 50


def apply(snapshot: Json, events: list[Json]) -> Json:
    """Return the snapshot as it stands after the events."""
    room = copy.deepcopy(snapshot)
    for event in events:
        _apply_one(room, event["type"], event["data"])
        room["cursor"] = event["data"]["cursor"]
        room["sequence"] = event["data"]["sequence"]
    return room


def _apply_one(room: Json, kind: str, data: Json) -> None:
    if kind in ("gift.sent", "gift.streak.begin", "gift.streak.update"):
        _put_gift(room, data)
    if kind in ("gift.streak.begin", "gift.streak.update"):
        _drop_streak(room, data)
        streak = {"id": data["line_id"], "total": data["streak"]["total"]}
        facts = {key: data[key] for key in ("line_id", "at", "sender", "gift", "total")}
        room["streaks"].append({**facts, "streak": streak})
        room["streaks"].sort(key=lambda one: (one["at"], one["line_id"]))
    elif kind == "gift.streak.end":
        _drop_streak(room, data)
    elif kind == "comment.sent":
        line = {key: data[key] for key in ("kind", "at", "sender", "text")}
        _put_line(room, {"id": data["line_id"], **line})
    elif kind == "board.updated":
        room["board"] = data["board"]
    elif kind == "room.totals":
        room["totals"] = {key: data[key] for key in ("coins", "gifts", "viewers")}
    elif kind == "room.closed":
        room["status"] = data["status"]


def _put_gift(room: Json, data: Json) -> None:
    message = data["message"]
    for line in room["feed"]:
        if line["id"] == data["line_id"]:
            message = message or line["message"]
            room["feed"].remove(line)
            break
    facts = {key: data[key] for key in ("at", "sender", "gift", "total")}
    count = data["streak"]["total"] if "streak" in data else data["count"]
    line = {"kind": "gift", "id": data["line_id"], **facts, "count": count, "message": message}
    _put_line(room, line)


def _put_line(room: Json, line: Json) -> None:
    room["feed"] = sorted([*room["feed"], line], key=lambda one: (one["at"], one["id"]))[-LINES:]


def _drop_streak(room: Json, data: Json) -> None:
    room["streaks"] = [one for one in room["streaks"] if one["line_id"] != data["line_id"]]
