/*
 * The room as a viewer holds it: a snapshot, and the events applied to it.
 *
 * Owns: what each event changes. Must not know: the page or the network. Protects: a stale snapshot
 * and the events after it give the fresh snapshot (tests/live/reducer.py says the same in Python).
 */

const LINES = 50;

export const KINDS = [
  "gift.sent",
  "gift.streak.begin",
  "gift.streak.update",
  "gift.streak.end",
  "comment.sent",
  "room.totals",
  "room.closed",
  "board.updated",
];

const earlier = (a, b) => (a.at === b.at ? a.id < b.id : a.at < b.at);

/** Return the line of the feed that an event writes or changes; null when it writes none. */
export function lineOf(room, { type, data }) {
  if (type === "comment.sent") {
    const { kind, at, sender, text } = data;
    return { id: data.line_id, kind, at, sender, text };
  }
  if (!["gift.sent", "gift.streak.begin", "gift.streak.update"].includes(type)) return null;
  const before = room.feed.find((line) => line.id === data.line_id);
  return {
    id: data.line_id,
    kind: "gift",
    at: data.at,
    sender: data.sender,
    gift: data.gift,
    count: data.streak ? data.streak.total : data.count,
    total: data.total,
    message: data.message ?? before?.message ?? null,
  };
}

/** Apply an event in place; returns the line that it wrote, or null. */
export function apply(room, event) {
  const { type, data } = event;
  const line = lineOf(room, event);
  if (line) {
    room.feed = room.feed.filter((other) => other.id !== line.id);
    const place = room.feed.findLastIndex((other) => earlier(other, line)) + 1;
    room.feed.splice(place, 0, line);
    room.feed = room.feed.slice(-LINES);
  }
  if (type.startsWith("gift.streak.")) {
    room.streaks = room.streaks.filter((streak) => streak.line_id !== data.line_id);
    if (type !== "gift.streak.end") room.streaks.push(data);
  } else if (type === "room.totals") {
    room.totals = { coins: data.coins, gifts: data.gifts, viewers: data.viewers };
  } else if (type === "board.updated") {
    room.board = data.board;
  } else if (type === "room.closed") {
    room.status = data.status;
  }
  return line;
}
