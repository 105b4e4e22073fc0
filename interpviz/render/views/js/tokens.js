/**
 * A column of tokens.
 * @param {AttentionState} state
 * @param {AttentionActions} actions
 * @param {"query" | "key"} side
 */
function tokenColumn(state, actions, side) {
  const many = side === "key" ? "keys" : "queries";
  const label = side === "key" ? "Tokens that are looked at" : "Tokens that look";
  const element = make("ul", { class: `tokens ${side}`, role: "listbox", "aria-label": label });
  /** @type {HTMLElement[]} */
  let items = [];
  let active = -1;
  const spot = (/** @type {EventTarget | null} */ item) => ({ query: -1, key: -1, [side]: items.indexOf(/** @type {HTMLElement} */ (item)) });
  const onpointerover = (/** @type {Event} */ event) => actions.hover(spot(event.target));
  set(element, { onpointerover, onpointerleave: () => actions.hover() });
  roving(element, "li", down, (item) => actions.keep(spot(item)));
  const draw = () => {
    const places = state[many];
    items = words(state, many).map((word, i) =>
      make("li", { role: "option", tabindex: -1, "aria-selected": false, title: `${word} (token ${places[i]})` }, word),
    );
    active = -1;
    element.replaceChildren(...items);
    reach(element, items[0]);
  };
  const select = (/** @type {boolean} */ on) => items[active] && set(items[active], { "aria-selected": on });
  const mark = () => {
    select(false);
    active = state.at[side];
    select(true);
  };
  return { element, draw, mark, focus: (/** @type {number} */ place) => items[clamp(place, 0, items.length - 1)]?.focus() };
}
