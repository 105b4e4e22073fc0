/**
 * The photo with one map over it, or with two that a divider keeps apart.
 * @param {CamState} state
 * @param {CamActions} actions
 * @param {Theme} theme
 */
function photoPart(state, actions, theme) {
  const { photo, size: [width, height], signed, alt } = state.data;
  const layers = state.picks.map(() => make("canvas", { width, height }));
  const spot = make("i", { class: "spot" });
  const label = "Map over the photo. Arrow keys move from cell to cell, Home goes to the peak.";
  const box = make("div", { class: "map", tabindex: 0, role: "application", "aria-label": label }, make("img", { src: photo, alt }), ...layers, spot);
  const place = (/** @type {PointerEvent} */ event) => {
    const { left, top, width: w, height: h } = box.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / w, (event.clientY - top) / h];
    return x >= 0 && y >= 0 && x < 1 && y < 1 ? { x, y } : undefined;
  };
  probed(box, actions, place, ({ key }) => cellFrom(state, key));
  const grip = gripOf(box, state, actions);
  const draw = () => {
    layers.forEach((layer, side) => {
      if (side && !state.compare) return;
      paintMap(layer, state.maps[side], signed, rampOf(theme));
    });
  };
  const mark = () => {
    const { at, split, compare, opacity } = state;
    layers.forEach((layer, side) => {
      layer.hidden = side > 0 && !compare;
      layer.style.opacity = String(opacity / 100);
      layer.style.clipPath = compare ? `inset(0 ${side ? 0 : 100 - split}% 0 ${side ? split : 0}%)` : "";
    });
    grip.hidden = !compare;
    grip.style.left = `${split}%`;
    set(grip, { "aria-valuenow": split, "aria-valuetext": `${split} % from the left` });
    spot.hidden = !at;
    if (at) set(spot, { style: `left:${at.x * 100}%;top:${at.y * 100}%` });
  };
  return { element: make("div", { class: "photo", style: `max-width:${width}px` }, box, grip), draw, mark, layers };
}

/**
 * The middle of the cell that a key leads to.
 * @param {CamState} state
 * @param {string} key
 */
function cellFrom({ maps: [{ values, size: [rows, columns] }], kept }, key) {
  const peak = values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]) ? i : best), 0);
  const highest = { query: floor(peak / columns), key: peak % columns };
  const from = kept ? { query: floor(kept.y * rows), key: floor(kept.x * columns) } : highest;
  const cell = key === "Home" ? highest : stepped(key, from, { rows, columns });
  return cell && { x: (cell.key + 0.5) / columns, y: (cell.query + 0.5) / rows };
}

/**
 * The divider between two maps.
 * @param {HTMLElement} box
 * @param {CamState} state
 * @param {CamActions} actions
 */
function gripOf(box, state, actions) {
  const to = (/** @type {number} */ split) => actions.mark({ split: clamp(round(split), 0, 100) });
  const grip = make("div", { class: "grip", role: "slider", tabindex: 0, "aria-label": "Divider", "aria-valuemin": 0, "aria-valuemax": 100 });
  return set(grip, {
    onpointerdown: (/** @type {PointerEvent} */ event) => grip.setPointerCapture(event.pointerId),
    onpointermove: (/** @type {PointerEvent} */ event) => {
      const { left, width } = box.getBoundingClientRect();
      if (grip.hasPointerCapture(event.pointerId)) to((100 * (event.clientX - left)) / width);
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      const { split } = state;
      /** @type {Record<string, number>} */
      const where = { ArrowRight: split + 1, ArrowUp: split + 1, ArrowLeft: split - 1, ArrowDown: split - 1, PageUp: split + 10, PageDown: split - 10, Home: 0, End: 100 };
      if (!(event.key in where && isPlain(event))) return;
      event.preventDefault();
      to(where[event.key]);
    },
  });
}
