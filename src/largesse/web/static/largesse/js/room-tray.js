/*
 * The gift tray: choosing, tapping, undoing, and what happens when coins run out.
 *
 * Owns: the tray, its buttons and the fan's balance. Must not know: the stage. Protects: taps are
 * sent in order, one request at a time, and each piece is charged once; a dear gift waits a moment
 * in which it can be taken back before anything is charged.
 */

import { toast } from "./base.js";
import { Refusal } from "./room-wire.js";
import { art, coinWords, counted, facts, number, words } from "./room-parts.js";

const UNDO_MS = 3000;
const STREAK_MS = 3400;
const QUOTE_MS = 400;
const MOST_PIECES = 99;

const find = (name) => document.querySelector(`[data-${name}]`);

export class Tray {
  constructor(live) {
    this.live = live;
    this.dialog = document.getElementById("tray");
    this.send = find("send");
    this.chosen = null;
    this.waiting = 0;
    this.sending = false;
    this.streak = { gift: "", count: 0, timer: 0 };
    this.held = null;
    this.asking = 0;
    this.#place();
    find("tray").addEventListener("click", (event) => {
      const button = event.target.closest("[data-gift]");
      if (button && !button.disabled) this.#choose(button);
    });
    find("open-tray").addEventListener("click", () => this.#open());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog && this.dialog.matches(":modal")) this.dialog.close();
    });
    this.send?.addEventListener("click", () => this.#press());
    find("undo-button")?.addEventListener("click", () => this.#takeBack());
  }

  /** The server ended a streak: a new tap begins a new one. */
  ended(data) {
    if (facts.me && data.sender.id === facts.me.id && data.gift.id === this.streak.gift) {
      this.#endStreak();
    }
  }

  // A sheet over the chat on a phone; a panel under the stage where there is room.
  #place() {
    const wide = matchMedia("(min-width: 64rem)");
    const settle = () => {
      if (this.dialog.open) this.dialog.close();
      if (wide.matches) {
        const focused = document.activeElement;
        this.dialog.show();
        // Opening moved the focus into the panel; where nothing had it, nothing shall have it.
        if (focused === document.body) document.activeElement.blur();
        else focused?.focus();
      }
    };
    wide.addEventListener("change", settle);
    settle();
  }

  #open() {
    if (this.dialog.matches(":modal")) return;
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.querySelector("[aria-pressed=true], [data-gift]:enabled")?.focus();
  }

  #choose(button) {
    const { gift, coins, streakable } = button.dataset;
    const again = this.chosen?.id === gift;
    for (const other of this.dialog.querySelectorAll("[aria-pressed=true]")) {
      other.setAttribute("aria-pressed", "false");
    }
    button.setAttribute("aria-pressed", "true");
    if (!this.send) return;
    if (again) {
      this.#press();
      return;
    }
    this.chosen = { id: gift, coins: Number(coins), streakable: streakable === "1" };
    find("hint").hidden = true;
    this.send.hidden = Boolean(this.held);
    const key = this.chosen.streakable ? "tap" : "send";
    find("send-words").textContent = words(key, { gift: facts.gifts[gift].name });
    find("send-coins").textContent = number(this.chosen.coins);
    find("send-art").src = art({ id: gift }).src;
    this.#showStreak();
    this.#askCost();
  }

  // What the chosen gift would really cost, out of the coins that it would take: asked anew when
  // the coins have changed and the taps have paused. No answer is no reason to stop anybody.
  #askCost() {
    const place = find("cost");
    if (!place || !this.chosen) return;
    clearTimeout(this.asking);
    this.asking = setTimeout(async () => {
      const gift = this.chosen.id;
      const address = `${facts.quote_url}?gift=${encodeURIComponent(gift)}`;
      const answer = await fetch(address).catch(() => null);
      const quote = answer?.ok ? await answer.json() : { words: "" };
      if (this.chosen.id !== gift) return;
      place.textContent = quote.words;
      place.hidden = !quote.words;
    }, QUOTE_MS);
  }

  #press() {
    if (!this.chosen || this.held) return;
    if (!this.chosen.streakable) {
      this.#hold(this.chosen);
      return;
    }
    if (this.streak.gift !== this.chosen.id) {
      if (this.waiting) return;
      this.#endStreak();
      this.streak.gift = this.chosen.id;
    }
    this.waiting += 1;
    this.streak.count += 1;
    this.#showStreak();
    this.#drain(this.chosen);
  }

  // Taps that gather while a request is on its way travel together in the next one.
  async #drain(gift) {
    if (this.sending) return;
    this.sending = true;
    while (this.waiting) {
      const pieces = Math.min(this.waiting, MOST_PIECES);
      this.waiting -= pieces;
      const posted = await this.#give(gift, pieces);
      if (!posted) {
        this.waiting = 0;
        this.sending = false;
        this.#endStreak();
        return;
      }
      this.streak.count = posted.streak.total + this.waiting;
      this.#showStreak();
    }
    this.sending = false;
  }

  #hold(gift) {
    const bar = find("undo");
    const name = facts.gifts[gift.id].name;
    const said = { gift: name, coins: coinWords(gift.coins) };
    find("undo-words").textContent = words("sending_in", said);
    bar.style.setProperty("--undo", `${UNDO_MS}ms`);
    bar.hidden = false;
    this.send.hidden = true;
    find("undo-button").focus();
    this.held = setTimeout(() => {
      this.#release();
      this.#give(gift, 1);
    }, UNDO_MS);
  }

  #takeBack() {
    clearTimeout(this.held);
    this.#release();
    toast(words("taken_back"));
  }

  #release() {
    const hadFocus = document.activeElement === find("undo-button");
    this.held = null;
    find("undo").hidden = true;
    this.send.hidden = false;
    if (hadFocus) this.send.focus();
  }

  async #give(gift, pieces) {
    try {
      const posted = await this.live.give(gift.id, pieces, () => toast(words("retrying")));
      this.#showBalance(posted.balance.units);
      if (!gift.streakable && this.dialog.matches(":modal")) this.dialog.close();
      return posted;
    } catch (error) {
      this.#explain(error, gift);
      return null;
    }
  }

  #explain(error, gift) {
    if (!(error instanceof Refusal) || !error.problem.code) {
      toast(words("trouble"), "bad");
    } else if (error.problem.code === "insufficient_coins") {
      this.#showShortfall(error.problem, gift);
    } else {
      toast(error.message, "bad");
    }
  }

  #showShortfall(problem, gift) {
    const name = facts.gifts[gift.id].name;
    find("short-art").src = art({ id: gift.id }).src;
    find("short-words").textContent = counted("short", problem.shortfall.units, { gift: name });
    // The path alone: the page may be open under another name of the same host.
    const store = new URL(problem.store_url);
    find("short-link").href = `${store.pathname}${store.search}`;
    this.#showBalance(problem.balance.units);
    document.getElementById("short").showModal();
    find("short-link").focus();
  }

  #showBalance(units) {
    for (const place of document.querySelectorAll("[data-balance]")) {
      place.textContent = number(units);
    }
    this.#askCost();
  }

  #showStreak() {
    const label = find("send-streak");
    const goes = this.chosen?.id === this.streak.gift && this.streak.count > 0;
    label.hidden = !goes;
    if (goes) {
      label.textContent = `×${number(this.streak.count)}`;
      delete label.dataset.bump;
      void label.offsetWidth; // restart the animation
      label.dataset.bump = "";
    }
    clearTimeout(this.streak.timer);
    this.streak.timer = setTimeout(() => this.#endStreak(), STREAK_MS);
  }

  #endStreak() {
    clearTimeout(this.streak.timer);
    if (this.waiting || this.sending) return;
    this.streak = { gift: "", count: 0, timer: 0 };
    find("send-streak").hidden = true;
  }
}
