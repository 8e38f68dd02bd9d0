/*
 * What people who do not see the stage hear: one sentence every few seconds.
 *
 * Owns: the gathering of gifts into a sentence. Must not know: how gifts look. Protects: the live
 * region speaks at most once in SPEAK_MS, and only when something was given.
 */

import { number, words } from "./room-parts.js";

const SPEAK_MS = 6000;

/** Return a gatherer that speaks through a polite live region. */
export function announceable(region) {
  let gifts = 0;
  let coins = 0;
  const fans = new Map();
  let dearest = null;

  const speak = () => {
    if (!gifts) return;
    const [first, ...others] = fans.values();
    const who = others.length
      ? words("and_others", { name: first, count: number(others.length) })
      : first;
    const sum = words("summary", { gifts: number(gifts), coins: number(coins), fans: who });
    region.textContent = dearest ? `${sum} ${dearest.alt}.` : sum;
    gifts = coins = 0;
    dearest = null;
    fans.clear();
  };
  setInterval(speak, SPEAK_MS);

  return {
    gift(sender, gift, count, units) {
      gifts += count;
      coins += units;
      fans.set(sender.id, sender.display_name);
      if (gift.price.units >= (dearest?.price.units ?? 99)) dearest = gift;
    },
  };
}
