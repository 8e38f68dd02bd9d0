/*
 * What every page needs of a script: times in the reader's zone, forms that are sent once, copying,
 * and words for people who do not see the page.
 *
 * Owns: behaviour that is named by data attributes. Must not know: any page. Protects: a page
 * without scripts still works, only plainer.
 *
 *   <time datetime="2026-11-22T07:30:00Z" data-local>   shows date and time in the reader's zone
 *   <form data-once>          the submit button is dimmed and deaf after the first press
 *   <button data-copy="ID" data-copied="Copied">        copies the text of that element
 *   <button data-open="ID">, <button data-close>        opens a <dialog>, closes the one around it
 *   announce("…")             says it in the polite live region; toast("…", "good") also shows it
 */

const toasts = document.getElementById("toasts");

/** The token that a POST by fetch sends as X-CSRFToken; empty when nobody is signed in. */
export function csrfToken() {
  return document.querySelector("meta[name=csrf-token]")?.content ?? "";
}

/** Show a short message for six seconds; screen readers read it. Kind: good, bad or empty. */
export function toast(words, kind = "") {
  const note = document.createElement("p");
  note.className = kind ? `toast toast--${kind}` : "toast";
  note.textContent = words;
  toasts.append(note);
  setTimeout(() => note.remove(), 6000);
}

/** Say something to screen readers alone. */
export function announce(words) {
  const note = document.createElement("p");
  note.className = "visually-hidden";
  note.textContent = words;
  toasts.append(note);
  setTimeout(() => note.remove(), 6000);
}

/** Write the times below `root` in the reader's own zone and language. */
export function localTimes(root = document) {
  const form = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
    dateStyle: "medium",
    timeStyle: "short",
  });
  const full = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
    dateStyle: "full",
    timeStyle: "long",
  });
  for (const element of root.querySelectorAll("time[data-local]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    element.textContent = form.format(moment);
    element.title = full.format(moment);
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const items = source.querySelectorAll("li");
  const text = items.length
    ? Array.from(items, (item) => item.textContent.trim()).join("\n")
    : (source.value ?? source.textContent).trim();
  await navigator.clipboard.writeText(text);
  toast(button.dataset.copied || "Copied", "good");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-open], [data-close]");
  if (!button) return;
  if ("copy" in button.dataset) copy(button);
  if ("open" in button.dataset) document.getElementById(button.dataset.open)?.showModal();
  if ("close" in button.dataset) button.closest("dialog")?.close();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("once" in form.dataset)) return;
  if (form.dataset.once === "sent") {
    event.preventDefault();
    return;
  }
  form.dataset.once = "sent";
  event.submitter?.setAttribute("aria-busy", "true");
});

// The browser shows a page from its memory when one comes back: its forms may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-once=sent]")) {
    form.dataset.once = "";
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }
});

// Why a passkey was not made or used is for the person to read, not for the browser's console.
document.addEventListener("allauth.error", (event) => {
  const note = document.querySelector("[data-passkey-error]");
  if (!note) return;
  note.hidden = false;
  event.preventDefault();
});

document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = csrfToken();
});
document.addEventListener("htmx:afterSettle", (event) => localTimes(event.target));

localTimes();
