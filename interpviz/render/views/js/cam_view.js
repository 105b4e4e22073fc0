views.cam = ({ root, theme, say }, /** @type {CamData} */ data) => {
  root.style.setProperty("--ramp", data.ramp);
  const state = firstCam(data);
  /** @type {Part[]} */
  const parts = [];
  /** @type {CamActions} */
  const actions = {
    draw(settings) {
      Object.assign(state, settings);
      state.maps = state.picks.map((pick) => camMap(data, state.shared, pick));
      parts.forEach((part) => part.draw());
      actions.mark({});
    },
    mark(settings) {
      Object.assign(state, settings);
      parts.forEach((part) => part.mark?.());
    },
    hover: (at = state.kept) => actions.mark({ at }),
    keep: (at) => actions.mark({ at, kept: at }),
  };
  const [controls, photo, readout] = [camControls(state, actions), photoPart(state, actions, theme), camReadout(state, say)];
  parts.push(controls, photo, readout);
  const name = () => `map ${shownMaps(state).map((one) => one.name).join(" ")}`.replace(/[^\p{L}\p{N}]+/gu, "-");
  root.prepend(
    make("p", { class: "title" }, data.title),
    controls.element,
    make("div", { class: "main" }, photo.element, readout.element),
    make("div", { class: "bar" }, ...saveButtons(() => camSvg(state, theme, photo.layers), name)),
  );
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") actions.keep();
  };
  set(root, { onkeydown });
  actions.draw({});
  return () => readCam(state);
};

/**
 * @param {CamData} data
 * @returns {CamState}
 */
function firstCam(data) {
  const { classes, methods, opacity, shared } = data;
  const second = { of: classes.length > 1 ? 1 : 0, method: classes.length > 1 ? 0 : methods.length - 1 };
  return { data, picks: [{ of: 0, method: 0 }, second], maps: [], compare: false, split: 50, opacity, shared, at: undefined, kept: undefined };
}

/**
 * What is seen, as a drawing.
 * @param {CamState} state
 * @param {Theme} theme
 * @param {HTMLCanvasElement[]} layers
 */
function camSvg(state, theme, layers) {
  const { size: [width, height], photo, title } = state.data;
  const { at, split, compare, opacity } = state;
  const cut = compare ? (split / 100) * width : width;
  const seen = shownMaps(state);
  const below = 48 + height;
  const bar = picture([...Array(256).keys()], 256, 1, rampOf(theme)).toDataURL();
  const children = seen.flatMap(({ name, low, high, scale }, side) => {
    const [from, to] = side ? [cut, width] : [0, cut];
    const y = below + 28 + side * 68;
    return [
      shape("svg", { x: 24 + from, y: 48, width: to - from, height, viewBox: `${from} 0 ${to - from} ${height}` }, shape("image", { width, height, opacity: opacity / 100, href: layers[side].toDataURL() })),
      inked(theme, { x: 24, y }, name),
      shape("image", { x: 24, y: y + 8, width, height: 10, preserveAspectRatio: "none", href: bar }),
      inked(theme, { x: 24, y: y + 34 }, `${low} to ${high}. ${scale}`),
    ];
  });
  if (compare) children.push(shape("path", { d: `M${24 + cut} 48v${height}`, stroke: "#fff", "stroke-width": 2 }));
  if (at) children.push(shape("circle", { cx: 24 + at.x * width, cy: 48 + at.y * height, r: 7, fill: "none", stroke: "#fff", "stroke-width": 2 }));
  return sheet(theme, title, width + 48, below + 12 + seen.length * 68, shape("image", { x: 24, y: 48, width, height, href: photo }), ...children);
}

/** @param {CamState} state */
function readCam({ picks, maps, compare, split, opacity, shared, at }) {
  const shown = maps.slice(0, compare ? 2 : 1);
  return structuredClone({
    picks: picks.slice(0, shown.length), compare, split, opacity, shared,
    at: at ?? null,
    here: at ? shown.map((map) => valueAt(map, at.x, at.y)) : null,
    peaks: shown.map(({ peak }) => peak),
    tops: shown.map(({ top }) => top),
    values: maps[0].values,
  });
}
