/*
 * The stage: large moments for dear gifts, rows for streaks that grow, totals and supporters.
 *
 * Owns: what is shown for how long, and in which order. Must not know: the network. Protects: the
 * stage never falls behind (the dearest moments are kept, the rest is in the chat), and whoever
 * listens hears one sentence every few seconds, however many gifts arrive.
 */

import { announceable } from "./room-summary.js";
import { art, avatar, coinWords, coins, make, nameOf, number, words } from "./room-parts.js";

const MOMENT_MS = 2600;
const MOMENTS_WAITING = 6;
const ROW_REST_MS = 2600;
const DEAR = 99;
const wide = matchMedia("(min-width: 64rem)");

const find = (name) => document.querySelector(`[data-${name}]`);

export class Stage {
  constructor() {
    this.burst = find("burst");
    this.rows = find("streaks");
    this.moments = [];
    this.playing = false;
    this.open = new Map();
    this.summary = announceable(find("summary"));
    find("podium").addEventListener("click", (event) => {
      const open = document.getElementById("supporters").toggleAttribute("data-open");
      event.currentTarget.setAttribute("aria-expanded", String(open));
    });
  }

  /** Show the room as it stands. */
  reset(room) {
    this.rows.replaceChildren();
    this.open.clear();
    for (const streak of room.streaks) this.#row(streak, false);
    this.totals(room.totals);
    this.board(room.board);
    this.status(room.status);
  }

  /** Show what an event says. */
  tell(event) {
    const { type, data } = event;
    if (type === "gift.sent") {
      this.summary.gift(data.sender, data.gift, data.count, data.total.units);
      this.#moment(data);
    } else if (type === "gift.streak.begin" || type === "gift.streak.update") {
      this.summary.gift(data.sender, data.gift, data.streak.delta, data.streak.spent.units);
      this.#row(data, true);
      if (type === "gift.streak.begin" && data.gift.price.units >= DEAR) this.#moment(data);
    } else if (type === "gift.streak.end") {
      this.#endRow(data);
    } else if (type === "room.totals") {
      this.totals(data);
    } else if (type === "board.updated") {
      this.board(data.board);
    } else if (type === "room.closed") {
      this.status(data.status);
    }
  }

  totals({ coins: given, viewers }) {
    find("total-coins").textContent = number(given.units);
    const pill = find("viewers");
    pill.hidden = viewers < 1;
    pill.textContent = words("viewers", { count: number(viewers) });
  }

  board(rows) {
    const list = find("supporters");
    const podium = find("podium");
    podium.hidden = !rows.length;
    podium.replaceChildren(...rows.slice(0, 3).map((row) => avatar(row, "avatar avatar--small")));
    if (!rows.length) {
      list.replaceChildren(make("li", "muted small", words("no_supporters")));
      return;
    }
    list.replaceChildren(
      ...rows.map((row) => {
        const rank = make("span", "supporter__rank", number(row.rank));
        const name = nameOf(row, "span");
        name.className = "supporter__name";
        return make("li", "supporter", rank, avatar(row), name, coins(row.total.units));
      }),
    );
  }

  status(status) {
    const closed = status !== "open";
    document.getElementById("main").dataset.status = status;
    find("ended").hidden = !closed;
    const pill = find("live-pill");
    if (pill) pill.hidden = closed;
    if (!closed) return;
    const controls = "[data-gift], [data-send], [data-composer] :is(input, button)";
    for (const control of document.querySelectorAll(controls)) control.disabled = true;
  }

  away(is) {
    find("offline").hidden = !is;
  }

  #moment(data) {
    this.moments.push(data);
    if (this.moments.length > MOMENTS_WAITING) {
      const cheapest = this.moments.reduce((a, b) => (b.total.units < a.total.units ? b : a));
      this.moments.splice(this.moments.indexOf(cheapest), 1);
    }
    if (!this.playing) this.#play();
  }

  #play() {
    const data = this.moments.shift();
    this.playing = Boolean(data);
    this.burst.hidden = !data;
    if (!data) {
      this.burst.replaceChildren();
      return;
    }
    const said = words("sent", { gift: data.gift.name });
    const price = coins(data.total.units);
    const caption = make("p", "room__caption", nameOf(data.sender), make("span", "", said), price);
    const parts = [caption, art(data.gift, { moves: true, size: 256, alt: data.gift.alt })];
    if (data.message) {
      const message = make("p", "room__burst-words", data.message.text);
      message.dir = "auto";
      parts.splice(1, 0, message);
    }
    const scene = make("div", "room__moment", ...parts);
    scene.dataset.size = data.total.units >= 5000 ? "3" : data.total.units >= 500 ? "2" : "1";
    this.burst.replaceChildren(scene);
    setTimeout(() => this.#play(), MOMENT_MS);
  }

  #row(data, grows) {
    let row = this.open.get(data.line_id);
    if (!row) {
      row = this.#newRow(data);
      this.open.set(data.line_id, row);
      this.rows.append(row);
      this.#thin();
    }
    clearTimeout(Number(row.dataset.timer));
    const count = row.querySelector(".streak__count");
    const total = data.streak.total;
    count.textContent = `×${number(total)}`;
    count.dataset.size = total >= 100 ? "4" : total >= 30 ? "3" : total >= 10 ? "2" : "1";
    row.querySelector("small").textContent = words("sent", { gift: data.gift.name });
    if (!grows) return;
    delete count.dataset.bump;
    void count.offsetWidth; // restart the animation
    count.dataset.bump = "";
    row.querySelector(".streak__art").replaceWith(this.#rowArt(data.gift, true));
  }

  #newRow(data) {
    const text = make("span", "streak__text", nameOf(data.sender), make("small", ""));
    const count = make("span", "streak__count");
    return make("p", "streak", avatar(data.sender), text, this.#rowArt(data.gift, false), count);
  }

  #rowArt(gift, moves) {
    return art(gift, { moves, className: "streak__art", size: 48 });
  }

  #endRow(data) {
    const row = this.open.get(data.line_id);
    if (!row) return;
    this.#row(data, false);
    row.dataset.state = "ended";
    row.querySelector("small").textContent = words("streak_total", {
      gift: data.gift.name,
      coins: coinWords(data.total.units),
    });
    row.dataset.timer = String(setTimeout(() => this.#drop(data.line_id), ROW_REST_MS));
  }

  #thin() {
    while (this.rows.childElementCount > (wide.matches ? 4 : 2)) {
      const done = this.rows.querySelector("[data-state=ended]") ?? this.rows.firstElementChild;
      const entry = [...this.open].find(([, row]) => row === done);
      if (entry) this.#drop(entry[0]);
      else done.remove();
    }
  }

  #drop(id) {
    this.open.get(id)?.remove();
    this.open.delete(id);
  }
}
