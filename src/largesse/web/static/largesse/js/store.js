/*
 * The store's order summary: what is chosen, its tax and its total, before the button.
 *
 * Owns: the summary beside the packages. Must not know: any price; it repeats what the chosen
 * option carries. Protects: without scripts the store works, and the checkout shows the total.
 */

const form = document.querySelector("[data-store]");

function show(option) {
  const write = (name, words) => {
    const place = form.querySelector(`[data-store-${name}]`);
    if (place) place.textContent = words;
  };
  form.querySelector("[data-store-empty]").hidden = true;
  form.querySelector("[data-store-totals]").hidden = false;
  write("title", option.dataset.title);
  write("price", option.dataset.price);
  write("tax", option.dataset.tax);
  write("total", option.dataset.price);
}

form?.addEventListener("change", (event) => {
  if (event.target.name === "pick") show(event.target);
});

// The browser may restore a choice when one comes back.
const chosen = form?.querySelector("input[name=pick]:checked");
if (chosen) show(chosen);
