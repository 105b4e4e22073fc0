/**
 * The choice of a head by its small picture, from one layer or from all.
 * @param {AttentionState} state
 * @param {AttentionActions} actions
 * @param {Theme} theme
 */
function pickerPart(state, actions, theme) {
  const { kinds, layers } = state.data;
  const kind = choice("Kind", kinds.map((one) => one.label), (place) => actions.choose(layers.findIndex((one) => one.kind === place), 0));
  const names = layers.map(({ name, number }) => (name ? `${number}: ${name}` : String(number)));
  const layer = choice("Layer", names, (at) => actions.choose(at, min(state.head, layers[at].heads.length - 1)));
  let all = false;
  const onclick = () => {
    all = !all;
    draw();
  };
  const more = make("button", { type: "button", onclick });
  const compare = tick("Compare heads", false, (on) => actions.change({ compare: on }));
  const box = headBox(state, actions);
  const fill = () => box.replaceChildren(...layers.map((one, at) => headRow(one, at, rampOf(theme))));
  theme.onChange(fill);
  fill();
  const draw = () => {
    const here = layerOf(state).kind;
    more.textContent = all ? "Show one layer" : "Show all layers";
    kind.select.value = String(here);
    layer.select.value = String(state.layer);
    layers.forEach((one, at) => {
      const row = /** @type {HTMLElement} */ (box.children[at]);
      layer.select.options[at].hidden = one.kind !== here;
      row.hidden = one.kind !== here || !(all || at === state.layer);
      markHeads(box, row, at, state);
    });
  };
  const several = layers.length > 1 ? [layer.element, more] : [];
  const bar = make("div", { class: "bar" }, ...(kinds.length > 1 ? [kind.element] : []), ...several, compare);
  return { element: make("div", {}, bar, box), draw };
}

/**
 * The list of all heads, still empty.
 * @param {AttentionState} state
 * @param {AttentionActions} actions
 */
function headBox(state, actions) {
  const choose = (/** @type {EventTarget | null} */ target) => {
    const item = /** @type {HTMLElement | null} */ (/** @type {Element} */ (target).closest("[data-head]"));
    if (item) actions.choose(Number(item.dataset.layer), Number(item.dataset.head));
  };
  // Where heads are compared, to move is not yet to choose.
  const onclick = (/** @type {Event} */ event) => state.compare && choose(event.target);
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (!state.compare || !isPlain(event) || (event.key !== " " && event.key !== "Enter")) return;
    event.preventDefault();
    choose(event.target);
  };
  const box = make("div", { class: "heads", role: "listbox", "aria-label": "Heads", onclick, onkeydown });
  roving(box, "[data-head]", across, (item) => state.compare || choose(item));
  return box;
}

/**
 * @param {HTMLElement} box
 * @param {HTMLElement} row
 * @param {number} at its layer
 * @param {AttentionState} state
 */
function markHeads(box, row, at, state) {
  set(box, { "aria-multiselectable": state.compare });
  row.querySelectorAll("[data-head]").forEach((item, head) => {
    const slot = at === state.layer ? state.slots.indexOf(head) : -1;
    set(item, { "aria-selected": slot >= 0, "data-slot": slot });
    if (slot >= 0 && head === state.head) reach(box, item);
  });
}

/**
 * The steps of rows of heads, one a layer.
 * @param {string} key
 * @param {HTMLElement[]} items
 * @param {number} at
 */
function across(key, items, at) {
  const wide = items.filter((item) => item.dataset.layer === items[at].dataset.layer).length;
  /** @type {Record<string, number>} */
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + wide, ArrowUp: at - wide, Home: 0, End: items.length };
  return to[key];
}

/**
 * @param {LayerData} layer
 * @param {number} at
 * @param {Uint32Array} ramp
 */
function headRow({ small, heads, number, pattern }, at, ramp) {
  const levels = bytes(small.data);
  const [height, width] = small.shape;
  const group = `Layer ${number}`;
  const items = heads.map((head, place) => {
    const canvas = picture(levels.subarray(place * width * height, (place + 1) * width * height), width, height, ramp);
    const found = pattern?.[place] || "none";
    const title = `${group}, head ${head}` + (found === "none" ? "" : `, ${found}`);
    const options = { role: "option", tabindex: -1, "data-layer": at, "data-head": place, "aria-label": title, title };
    return make("div", options, canvas, String(head));
  });
  return make("div", { role: "group", "aria-label": group }, make("b", { "aria-hidden": "true" }, String(number)), ...items);
}
