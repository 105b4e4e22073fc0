/** Heads that can be told apart in colour at once. */
const SLOTS = 6;

views.attention = (stage, /** @type {AttentionData} */ data) => {
  const state = firstState(data);
  /** @type {Map<number, Uint8Array>} of the shown layer, by head */
  const codes = new Map();
  /** @type {Part[]} */
  const parts = [];
  const problem = make("p", { class: "problem", role: "alert" });
  const tell = (/** @type {string} */ text) => problem.replaceChildren(text);
  const mark = () => parts.forEach((part) => part.mark?.());
  const draw = () => {
    rebuild(state, codes);
    parts.forEach((part) => part.draw());
    mark();
  };
  const load = () => {
    const { layer } = state;
    const fail = (/** @type {string} */ text) => layer === state.layer && tell(text);
    problem.replaceChildren();
    for (const head of state.slots) {
      if (head < 0 || codes.has(head)) continue;
      let late = false;
      withCodes(layerOf(state), head, (found) => {
        if (layer !== state.layer) return;
        codes.set(head, found);
        if (late) draw();
      }, fail);
      late = true;
    }
    draw();
  };
  const actions = actionsOf(state, codes, { load, draw, mark, tell });
  assemble(stage, state, actions, parts, problem);
  new ResizeObserver(perFrame(() => parts.forEach((part) => part.resize?.()))).observe(stage.root);
  stage.theme.onChange(draw);
  load();
  return () => readState(state);
};

/**
 * @param {AttentionData} data
 * @returns {AttentionState}
 */
function firstState(data) {
  const [layer, head] = data.start;
  const nowhere = { query: -1, key: -1 };
  const settings = { compare: false, strongest: 5, threshold: 0, special: true, log: false, rows: Infinity };
  return { data, layer, head, slots: [head], grids: [], at: nowhere, kept: nowhere, queries: [], keys: [], ...settings };
}

/**
 * Works out what is shown under the settings.
 * @param {AttentionState} state
 * @param {Map<number, Uint8Array>} codes
 */
function rebuild(state, codes) {
  const { query, key } = state.kept;
  const before = [state.queries[query], state.keys[key]];
  state.queries = shownPlaces(state, "queries");
  state.keys = shownPlaces(state, "keys");
  // A kept token stays the same token when others come and go.
  state.at = state.kept = { query: state.queries.indexOf(before[0]), key: state.keys.indexOf(before[1]) };
  state.grids = state.slots.map((head) => {
    const found = codes.get(head);
    return found && gridOf(state, head, found);
  });
}

/**
 * @param {AttentionState} state
 * @param {Map<number, Uint8Array>} codes
 * @param {{load: () => void, draw: () => void, mark: () => void, tell: (text: string) => void}} after
 * @returns {AttentionActions}
 */
function actionsOf(state, codes, { load, draw, mark, tell }) {
  return {
    choose(layer, head) {
      const anew = layer !== state.layer;
      if (!anew && head === state.head && !state.compare) return;
      if (anew) codes.clear();
      const slots = anew || !state.compare ? [head] : toggled(state.slots, head);
      const full = !slots.includes(head) && !state.slots.includes(head);
      state.slots = slots;
      state.layer = layer;
      if (slots.includes(head)) state.head = head;
      else if (!slots.includes(state.head)) state.head = max(...slots);
      load();
      if (full) tell(`${SLOTS} heads have a colour already: take one away first.`);
    },
    change(settings) {
      Object.assign(state, settings);
      if (!state.compare) state.slots = [state.head];
      ("compare" in settings ? load : draw)();
    },
    hover(spot = state.kept) {
      if (spot.query === state.at.query && spot.key === state.at.key) return;
      state.at = spot;
      mark();
    },
    keep(spot) {
      state.at = state.kept = spot;
      mark();
    },
  };
}

/**
 * Adds a head in the first colour that is free, or takes it away unless it is the last one.
 * @param {number[]} slots
 * @param {number} head
 */
function toggled(slots, head) {
  const now = Array.from({ length: SLOTS }, (_, slot) => slots[slot] ?? -1);
  const at = now.indexOf(head);
  const free = now.indexOf(-1);
  if (at < 0 && free >= 0) now[free] = head;
  if (at >= 0 && now.some((other) => other >= 0 && other !== head)) now[at] = -1;
  return now;
}

/**
 * @param {Stage} stage
 * @param {AttentionState} state
 * @param {AttentionActions} actions
 * @param {Part[]} parts
 * @param {HTMLElement} problem
 */
function assemble({ root, theme, say }, state, actions, parts, problem) {
  const [picker, settings] = [pickerPart(state, actions, theme), settingsPart(state, actions)];
  const [links, map] = [linksPart(state, actions, theme), heatmapPart(state, actions, theme)];
  const readout = readoutPart(state, say);
  parts.push(picker, settings, links, map, readout);
  const name = () => {
    const { number, heads } = layerOf(state);
    return `attention-layer-${number}-head-${heads[state.head]}`;
  };
  const save = saveButtons(() => attentionSvg(state, theme, links.scroll, map.map), name);
  root.prepend(
    make("p", { class: "title" }, state.data.title),
    make("p", { class: "names" }, "Point at a token, tap it, or reach it with the Tab and arrow keys: lines show where it looks. Pick another head by its small picture."),
    picker.element,
    problem,
    readout.about,
    settings.element,
    make("div", { class: "main" }, make("div", {}, links.element, readout.element), map.element),
    make("div", { class: "bar" }, ...save),
  );
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") actions.keep({ query: -1, key: -1 });
  };
  set(root, { onkeydown });
}

/** @param {AttentionState} state */
function readState(state) {
  const { slots, queries, keys, at, layer, head, compare, strongest, threshold, special, log } = state;
  return structuredClone({
    layer, head, compare, strongest, threshold, special, log,
    kind: kindOf(state).label,
    heads: slots.filter((one) => one >= 0),
    queries,
    keys,
    query: queries[at.query] ?? null,
    key: keys[at.key] ?? null,
    weight: weightHere(state),
    links: linksOf(state, at).map((one) => ({ weight: one.weight, head: slots[one.slot], query: queries[one.query], key: keys[one.key] })),
    values: mainGrid(state)?.values ?? null,
  });
}
