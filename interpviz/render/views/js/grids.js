/** @param {AttentionState} state */
function layerOf({ data, layer }) {
  return data.layers[layer];
}

/** @param {AttentionState} state */
function kindOf(state) {
  return state.data.kinds[layerOf(state).kind];
}

/**
 * The words of the tokens that are shown.
 * @param {AttentionState} state
 * @param {"queries" | "keys"} side
 */
function words(state, side) {
  const { tokens } = state.data.texts[kindOf(state)[side]];
  return state[side].map((place) => tokens[place]);
}

/**
 * The tokens that are shown: of a text that grows the first ones, and special ones only if wanted.
 * @param {AttentionState} state
 * @param {"queries" | "keys"} side
 */
function shownPlaces(state, side) {
  const kind = kindOf(state);
  const dropped = state.special ? [] : state.data.texts[kind[side]].special;
  const length = layerOf(state).shape[side === "queries" ? 0 : 1];
  const end = kind.grows && kind[side] === kind.queries ? min(state.rows, length) : length;
  return [...Array(end).keys()].filter((place) => !dropped.includes(place));
}

/**
 * The weights of a head over the tokens that are shown, which add up to 1 again where special
 * tokens are left out.
 * @param {AttentionState} state
 * @param {number} head
 * @param {Uint8Array} codes whole rows
 * @returns {Grid}
 */
function gridOf(state, head, codes) {
  const { queries, keys } = state;
  const { scales, shape: size, offset } = layerOf(state);
  const special = new Set(state.data.texts[kindOf(state).keys].special);
  const tables = scales[head].map(weightsOf);
  const decoders = keys.map((key) => tables[special.has(key) ? 1 : 0]);
  const values = new Float32Array(queries.length * keys.length);
  let top = 0;
  let at = 0;
  for (const query of queries) {
    let total = 0;
    keys.forEach((key, i) => {
      total += values[at + i] = decoders[i][codes[query * size[1] + key]];
    });
    const whole = !state.special && special.size && total ? total : 1;
    for (let i = 0; i < keys.length; i++) {
      const weight = (values[at + i] /= whole);
      // The first token of a causal text can look at nothing but itself: that must not set the scale.
      if (weight > top && !(offset === 0 && query === keys[0])) top = weight;
    }
    at += keys.length;
  }
  return { values, rows: queries.length, columns: keys.length, top };
}

/**
 * The codes of a head: at once where they are on the page, later where they lie beside it.
 * @param {LayerData} layer
 * @param {number} head
 * @param {(codes: Uint8Array) => void} act
 * @param {(problem: string) => void} fail
 */
function withCodes(layer, head, act, fail) {
  const whole = (/** @type {string} */ text) => unpacked(bytes(text), layer.shape, layer.offset);
  if (layer.data) return act(whole(layer.data[head]));
  parts(layer.files?.[head] ?? "")
    .then((texts) => whole(texts[head]))
    .then(act, (error) => fail(error.message));
}

/**
 * The strongest links from a query, or to a key where there is no query.
 * @param {AttentionState} state
 * @param {Spot} spot
 * @returns {Link[]}
 */
function linksOf(state, { query, key }) {
  return state.grids.flatMap((grid, slot) => {
    /** @type {Link[]} */
    const found = [];
    if (!grid || (query < 0 && key < 0)) return found;
    const { values, rows, columns } = grid;
    for (let i = 0; i < (query < 0 ? rows : columns); i++) {
      const link = query < 0 ? { query: i, key } : { query, key: i };
      const weight = values[link.query * columns + link.key];
      if (weight > 0 && weight >= state.threshold) found.push({ ...link, weight, slot });
    }
    return found.sort((a, b) => b.weight - a.weight).slice(0, state.strongest);
  });
}

/**
 * The weights that the heat map and the numbers are about.
 * @param {AttentionState} state
 */
function mainGrid(state) {
  return state.grids[state.slots.indexOf(state.head)];
}

/**
 * The weight under the pointer, where it is on a single one.
 * @param {AttentionState} state
 */
function weightHere(state) {
  const grid = mainGrid(state);
  const { query, key } = state.at;
  return grid && query >= 0 && key >= 0 ? grid.values[query * grid.columns + key] : null;
}
