/**
 * What is looked at, in words and numbers.
 * @param {AttentionState} state
 * @param {(text: string) => void} say
 */
function readoutPart(state, say) {
  const about = make("p", { class: "about" });
  const line = make("p", {});
  const list = make("ol", {});
  const draw = () => about.replaceChildren(...aboutHead(state).map((text) => make("span", {}, text)));
  const mark = () => {
    // Of several heads only the strongest links of all are listed.
    const links = linksOf(state, state.at).sort((a, b) => b.weight - a.weight).slice(0, 20);
    const ends = links.map((link) => wordAt(state, state.at.query < 0 ? "queries" : "keys", state.at.query < 0 ? link.query : link.key));
    const single = weightHere(state) !== null;
    line.textContent = sentence(state, links);
    list.replaceChildren(...links.map((link, i) => linkItem(state, link, ends[i])));
    const told = ends.slice(0, 3).map((end, i) => ` ${end} ${digits(links[i].weight)}`);
    if (state.at.query >= 0 || state.at.key >= 0) say(`${line.textContent}${single ? "" : told}`);
  };
  return { about, element: make("div", { class: "readout" }, line, list), draw, mark };
}

/** @param {AttentionState} state */
function aboutHead(state) {
  const { number, heads, entropy, pattern, score } = layerOf(state);
  const told = [`Layer ${number}, head ${heads[state.head]}`];
  const spread = entropy?.[state.head];
  const name = pattern?.[state.head];
  if (spread != null) told.push(`Entropy ${spread.toFixed(2)} (0: looks at one token, 1: at all alike)`);
  const sure = score?.[state.head];
  if (name === "none") told.push("Pattern: none that this text shows");
  else if (name) told.push(`Pattern: ${name}` + (sure == null ? "" : `, score ${sure.toFixed(2)}`));
  return told;
}

/**
 * @param {AttentionState} state
 * @param {"queries" | "keys"} side
 * @param {number} place
 */
function wordAt(state, side, place) {
  return words(state, side)[place];
}

/**
 * @param {AttentionState} state
 * @param {Link[]} links
 */
function sentence(state, links) {
  const { query, key } = state.at;
  const [from, to] = [wordAt(state, "queries", query), wordAt(state, "keys", key)];
  const weight = weightHere(state);
  if (weight !== null) return `“${from}” looks at “${to}” with a weight of ${digits(weight)}. Its strongest links:`;
  if (query < 0 && key < 0) return "Shown are the strongest links of every token. Choose one to see its own.";
  if (!links.length) return "This token has no link as strong as you ask for.";
  return query < 0 ? `“${to}” is looked at by` : `“${from}” looks at`;
}

/**
 * @param {AttentionState} state
 * @param {Link} link
 * @param {string} end
 */
function linkItem(state, link, end) {
  const head = layerOf(state).heads[state.slots[link.slot]];
  const weight = digits(link.weight);
  return make("li", { "data-slot": link.slot }, make("b", {}, end), state.compare ? ` ${weight} (head ${head})` : ` ${weight}`);
}
