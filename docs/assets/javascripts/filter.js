/* Filters the cards of the gallery's index. What is chosen stands in the address, so that a
   filtered index can be linked to. Within a group either value will do; groups add up. */
"use strict";
{
  const KINDS = ["topic", "task", "model", "method"];
  const panel = document.querySelector(".iv-filter");
  const chips = [...panel.querySelectorAll(".iv-chip")];
  const cards = [...document.querySelectorAll(".iv-section .iv-card")];
  const status = panel.querySelector("[role=status]");
  const clear = panel.querySelector(".iv-filter__clear");
  const more = panel.querySelector(".iv-filter__more");

  const pressed = (chip) => chip.getAttribute("aria-pressed") === "true";
  const press = (chip, on) => chip.setAttribute("aria-pressed", String(on));

  const chosen = (kind) =>
    chips.filter((chip) => pressed(chip) && chip.dataset.kind === kind).map((chip) => chip.dataset.value);

  const fits = (card) =>
    KINDS.every((kind) => {
      const wanted = chosen(kind);
      const has = (card.dataset[kind] ?? "").split(" ");
      return wanted.length === 0 || wanted.some((value) => has.includes(value));
    });

  const show = () => {
    for (const card of cards) card.hidden = !fits(card);
    for (const section of document.querySelectorAll(".iv-section")) {
      section.hidden = !section.querySelector(".iv-card:not([hidden])");
    }
    const shown = cards.filter((card) => !card.hidden).length;
    const narrowed = chips.some(pressed);
    const said = narrowed ? `${shown} of ${cards.length} examples` : `${cards.length} examples`;
    if (status.textContent !== said) status.textContent = said;
    clear.hidden = !narrowed;
  };

  const open = (on) => {
    if (!more) return;
    more.setAttribute("aria-expanded", String(on));
    more.nextElementSibling.hidden = !on;
  };

  const write = () => {
    const query = new URLSearchParams();
    for (const kind of KINDS) for (const value of chosen(kind)) query.append(kind, value);
    const address = new URL(location);
    address.search = query.toString();
    // Some browsers refuse this for pages that come from a file.
    try {
      history.replaceState(history.state, "", address);
    } catch {}
  };

  const read = () => {
    const query = new URLSearchParams(location.search);
    for (const chip of chips) press(chip, query.getAll(chip.dataset.kind).includes(chip.dataset.value));
    if (chips.some((chip) => pressed(chip) && chip.closest("[hidden].iv-filter__rest"))) open(true);
    show();
  };

  panel.addEventListener("click", ({ target }) => {
    const chip = target.closest(".iv-chip");
    if (chip) press(chip, !pressed(chip));
    else if (target === clear) {
      for (const other of chips) press(other, false);
      chips[0].focus();
    } else if (target === more) return open(more.getAttribute("aria-expanded") !== "true");
    else return;
    show();
    write();
  });
  addEventListener("popstate", read);

  read();
}
