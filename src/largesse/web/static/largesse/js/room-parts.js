/*
 * Small pieces of the room's page: elements made of words and art, numbers, and the page's facts.
 *
 * Owns: how a name, a picture or a number is shown. Must not know: events. Protects: people's words
 * enter the page as text nodes alone, each isolated so that its direction stays its own.
 */

export const facts = JSON.parse(document.getElementById("room-facts").textContent);
export const still = matchMedia("(prefers-reduced-motion: reduce)");

const numbers = new Intl.NumberFormat(document.documentElement.lang || undefined);

/** Write a whole number with the reader's separators. */
export const number = (value) => numbers.format(value);

/** Fill {name} and the like into a sentence of the page. */
export function words(key, values = {}) {
  return facts.words[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

const plurals = new Intl.PluralRules(document.documentElement.lang || undefined);

/** Fill the sentence of `key` that fits the number, which it knows as {count}. */
export function counted(key, value, values = {}) {
  const form = `${key}_${plurals.select(value)}`;
  return words(form in facts.words ? form : `${key}_other`, { ...values, count: number(value) });
}

/** Write an amount of coins in words. */
export const coinWords = (units) => counted("coins", units);

/** Make an element with a class and children; strings become text. */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Make the name of a person, isolated from the text around it. */
export function nameOf(person, tag = "strong") {
  const name = make(tag, "", person.display_name);
  name.dir = "auto";
  return name;
}

/** Make a person's avatar; the name stands beside it, so it says nothing to a screen reader. */
export function avatar(person, className = "avatar") {
  const image = make("img", className);
  image.src = `${facts.avatars}${person.avatar}.svg`;
  image.alt = "";
  return image;
}

/** Make the art of a gift: moving once when it is fresh, a still otherwise. */
export function art(gift, { moves = false, className = "", size = 64, alt = "" } = {}) {
  const image = make("img", className);
  const source = facts.gifts[gift.id]?.art ?? facts.gifts.hearts.art;
  image.src = moves && !still.matches ? source : `${source}?still#still`;
  image.alt = alt;
  image.width = size;
  image.height = size;
  return image;
}

/** Make an amount of coins with its icon. */
export function coins(units, className = "coins") {
  return make("span", className, number(units));
}
