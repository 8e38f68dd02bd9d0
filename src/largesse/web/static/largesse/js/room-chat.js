/*
 * The chat: comments and gifts as lines.
 *
 * Owns: the list of lines and its scrolling. Must not know: the network beyond sending a comment.
 * Protects: a reader who scrolled back is not pulled away, and the list never grows without end.
 */

import { Refusal } from "./room-wire.js";
import { art, avatar, coins, make, nameOf, number, words } from "./room-parts.js";

const LINES = 120;
const NEAR_PX = 60;

export class Chat {
  constructor(live) {
    this.live = live;
    this.list = document.querySelector("[data-chat]");
    this.newer = document.querySelector("[data-newer]");
    this.error = document.querySelector("[data-comment-error]");
    this.newer.addEventListener("click", () => this.#toEnd());
    this.stays = true;
    this.list.addEventListener("scroll", () => {
      this.stays = this.#isAtEnd();
      if (this.stays) this.newer.hidden = true;
    });
    // A phone's keyboard, or a turned phone, takes room: the newest line stays in sight.
    new ResizeObserver(() => {
      if (this.stays) this.#toEnd();
    }).observe(this.list);
    const composer = document.querySelector("[data-composer]");
    composer.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say(composer.elements.text);
    });
  }

  /** Show the lines of a snapshot. */
  reset(lines) {
    this.list.replaceChildren(...lines.map((line) => this.#line(line)));
    if (!lines.length) {
      this.list.append(make("li", "chat__line chat__line--system", words("no_lines")));
    }
    this.#toEnd();
  }

  /** Show a line, in place where it stood before. */
  put(line) {
    const stays = this.#isAtEnd();
    const before = document.getElementById(line.id);
    if (before) {
      // The words alone: the art of a growing streak must not flicker.
      before.querySelector("p").replaceWith(this.#giftWords(line));
      if (stays) this.#toEnd();
      return;
    }
    const shown = this.#line(line);
    this.list.querySelector(".chat__line--system")?.remove();
    this.list.append(shown);
    if (stays) {
      while (this.list.childElementCount > LINES) this.list.firstElementChild.remove();
      this.#toEnd();
    } else {
      this.newer.hidden = false;
    }
  }

  #line(line) {
    const item = make("li", "chat__line", avatar(line.sender, "avatar avatar--small"));
    item.id = line.id;
    if (line.kind === "comment") {
      const said = make("bdi", "", line.text);
      said.dir = "auto";
      item.append(make("p", "", nameOf(line.sender), " ", said));
      return item;
    }
    item.className = "chat__line chat__line--gift";
    item.append(this.#giftWords(line), art(line.gift, { className: "chat__art", size: 32 }));
    return item;
  }

  #giftWords(line) {
    const text = make("p", "", nameOf(line.sender), " ");
    const many = line.count > 1 ? ` ×${number(line.count)}` : "";
    text.append(`${words("sent", { gift: line.gift.name })}${many} `, coins(line.total.units));
    if (line.message) {
      const message = make("span", "chat__words", line.message.text);
      message.dir = "auto";
      text.append(message);
    }
    return text;
  }

  async #say(input) {
    const text = input.value.trim();
    if (!text) return;
    this.error.hidden = true;
    input.value = "";
    try {
      await this.live.say(text);
    } catch (error) {
      if (!input.value) input.value = text;
      this.error.textContent = error instanceof Refusal ? error.message : words("trouble");
      this.error.hidden = false;
    }
  }

  #isAtEnd() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_PX;
  }

  #toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.newer.hidden = true;
  }
}
