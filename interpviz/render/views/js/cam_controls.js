/**
 * Which map is shown, which one beside it, and how.
 * @param {CamState} state
 * @param {CamActions} actions
 */
function camControls(state, actions) {
  const { classes, methods, opacity, shared } = state.data;
  const picker = (/** @type {number} */ side) => {
    const pick = state.picks[side];
    const where = side ? ", right" : "";
    /** @type {[string, string[], "of" | "method"][]} */
    const lists = [[`Class${where}`, classes, "of"], [`Method${where}`, methods.map(({ name }) => name), "method"]];
    return lists.filter(([, names]) => names.length > 1).map(([label, names, what]) => {
      const { element, select } = choice(label, names, (place) => {
        pick[what] = place;
        actions.draw({});
      });
      select.value = String(pick[what]);
      return element;
    });
  };
  const second = make("div", { class: "bar", hidden: "" }, ...picker(1));
  const several = classes.length * methods.length > 1 ? [tick("Compare with another map", false, (compare) => actions.draw({ compare }))] : [];
  if (classes.length > 1) several.push(tick("One scale for all classes", shared, (on) => actions.draw({ shared: on })));
  const fade = amount("Opacity of the map:", { min: 0, max: 100, value: opacity }, (value) => `${value} %`, (value) => actions.mark({ opacity: value }));
  const draw = () => {
    second.hidden = !state.compare;
  };
  return { element: make("div", {}, make("div", { class: "bar" }, ...picker(0), ...several, fade), second), draw };
}

/**
 * What the colours mean, and the values at the place that is looked at.
 * @param {CamState} state
 * @param {(text: string) => void} say
 */
function camReadout(state, say) {
  const legends = make("div", {});
  const line = make("p", {});
  const draw = () => {
    legends.replaceChildren(...shownMaps(state).flatMap(({ name, low, high, scale }) => [
      make("p", { class: "title" }, name),
      make("p", { class: "legend" }, make("span", {}, low), make("i", {}), make("span", {}, high)),
      make("p", { class: "names" }, scale),
    ]));
  };
  const mark = () => {
    const { at } = state;
    const told = shownMaps(state).map(({ name, map }) => {
      const value = at ? valueAt(map, at.x, at.y) : 0;
      return `${name}: ${threeDigits(value)}, ${(value / (map.top || 1)).toFixed(2)} of the scale.`;
    });
    const text = at ? [whereText(state), ...told].join(" ") : "Point at the photo, tap it, or move over it with the arrow keys to read values.";
    if (at && text !== line.textContent) say(text);
    line.textContent = text;
  };
  return { element: make("div", {}, legends, make("div", { class: "readout" }, line)), draw, mark };
}

/** @param {CamState} state */
function whereText({ at, maps: [{ size: [rows, columns] }] }) {
  const [row, column] = at ? [floor(at.y * rows) + 1, floor(at.x * columns) + 1] : [];
  return `Row ${row} of ${rows}, column ${column} of ${columns}.`;
}

/**
 * The maps that are seen, from left to right, in words.
 * @param {CamState} state
 */
function shownMaps({ data: { classes, methods, signed }, picks, maps, compare, shared }) {
  return picks.slice(0, compare ? 2 : 1).map(({ of, method }, side) => {
    const map = maps[side];
    const high = threeDigits(map.top);
    const by = methods[method].name && ` by ${methods[method].name}`;
    const name = (compare ? ["Left: ", "Right: "][side] : "") + classes[of] + by;
    const scale = `Raw peak ${threeDigits(map.peak)}. ` + (shared ? "All classes of a method share one scale." : "The map has a scale of its own.");
    return { map, name, scale, high, low: signed ? `-${high}` : "0" };
  });
}
