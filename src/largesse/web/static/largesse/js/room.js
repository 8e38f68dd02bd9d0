/*
 * The live room's page.
 *
 * Owns: which event goes where. Must not know: how anything looks or is sent. Protects: the page
 * shows what the server said, in the server's order; it never guesses a total.
 */

import { Chat } from "./room-chat.js";
import { facts } from "./room-parts.js";
import { Stage } from "./room-stage.js";
import { KINDS, apply } from "./room-state.js";
import { Tray } from "./room-tray.js";
import { LiveRoom } from "./room-wire.js";

const AWAY_AFTER_MS = 900;

const live = new LiveRoom(facts);
const stage = new Stage();
const chat = new Chat(live);
const tray = new Tray(live);
let room = null;
let away = 0;

live.follow({
  kinds: KINDS,
  onSnapshot(snapshot) {
    room = snapshot;
    stage.reset(room);
    chat.reset(room.feed);
  },
  onEvent(event) {
    const line = apply(room, event);
    if (line) chat.put(line);
    stage.tell(event);
    if (event.type === "gift.streak.end") tray.ended(event.data);
  },
  onState(state) {
    clearTimeout(away);
    if (state === "live") stage.away(false);
    else away = setTimeout(() => stage.away(true), AWAY_AFTER_MS);
  },
});
