/**
 * Many items, one stop of the tab key: arrow keys move between those that are shown.
 * @param {HTMLElement} box
 * @param {string} selector
 * @param {(key: string, items: HTMLElement[], at: number) => number | undefined} step where a key leads
 * @param {(item: HTMLElement) => void} arrive
 */
function roving(box, selector, step, arrive) {
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    const all = /** @type {NodeListOf<HTMLElement>} */ (box.querySelectorAll(selector));
    const items = [...all].filter((item) => item.offsetParent);
    const at = items.indexOf(/** @type {HTMLElement} */ (event.target));
    const to = at >= 0 && isPlain(event) ? step(event.key, items, at) : undefined;
    if (to === undefined) return;
    event.preventDefault();
    items[clamp(to, 0, items.length - 1)].focus();
  };
  const onfocusin = (/** @type {Event} */ event) => {
    const item = /** @type {HTMLElement} */ (event.target);
    if (!item.matches(selector)) return;
    reach(box, item);
    arrive(item);
  };
  set(box, { onkeydown, onfocusin });
}

/**
 * Makes an item the one that the tab key reaches.
 * @param {HTMLElement} box
 * @param {Element | undefined} item
 */
function reach(box, item) {
  box.querySelectorAll("[tabindex='0']").forEach((other) => set(other, { tabindex: -1 }));
  if (item) set(item, { tabindex: 0 });
}

/**
 * The steps of a list from top to bottom.
 * @param {string} key
 * @param {HTMLElement[]} items
 * @param {number} at
 */
function down(key, items, at) {
  /** @type {Record<string, number>} */
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: items.length };
  return to[key];
}
