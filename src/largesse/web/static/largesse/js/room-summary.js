/*
 * What people who do not see the stage hear: one sentence every few seconds.
 *
 * Owns: the gathering of gifts into a sentence. Must not know: how gifts look. Protects: the live
 * region speaks at most once in SPEAK_MS, and only when something was given.
 */

import { coinWords, counted, words } from "./room-parts.js";

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
      ? counted("and_others", others.length, { name: first })
      : first;
    const given = { gifts: counted("gifts", gifts), coins: coinWords(coins), fans: who };
    const sum = words("summary", given);
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
