/** How many entries have how much of a measure, by whether the model was right. */
function binned({ count, state, verdict }, column, parts) {
  const bins = Array.from({ length: parts }, () => [0, 0, 0]);
  for (let i = 0; i < count; i++) {
    if (!state[i] && column[i] !== NONE) bins[min(floor((column[i] / TOP) * parts), parts - 1)][verdict[i]]++;
  }
  return bins;
}

/** Bars that count entries by a measure and lead to them. */
function histogram({ entries }, name) {
  const { title, tell } = MEASURES[name];
  // A finger needs bars of some width.
  const bins = binned(entries, entries[name], innerWidth < 640 ? 10 : 20);
  const scale = entries.scales[name];
  const most = max(...bins.map(sumOf), 1);
  const end = (i) => (i < bins.length ? (i / bins.length) * scale : Infinity);
  const bars = bins.map((bin, i) => make("li", {}, bar(bin, name, [end(i), end(i + 1)], most)));
  const kinds = [["iv-k1", "right", RIGHT], ["iv-k2", "wrong", WRONG], ["iv-k0", "cannot be told", UNTOLD]];
  const used = kinds.filter(([, , kind]) => bins.some((bin) => bin[kind]));
  const keys = used.map(([look, text]) => make("span", {}, make("i", { class: look, "aria-hidden": "true" }), text));
  const axis = [tell(0), title.toLowerCase(), tell(scale)].map((text) => make("span", {}, text));
  return make(
    "figure",
    { class: "iv-histogram" },
    make("p", { class: "iv-keys" }, ...(used.length > 1 ? keys : [])),
    make("ul", { class: "iv-bars", "aria-label": `${titled(KIND.one)}s by ${title.toLowerCase()}` }, ...bars),
    make("p", { class: "iv-axis", "aria-hidden": "true" }, ...axis),
  );
}

function sumOf(bin) {
  return bin[0] + bin[1] + bin[2];
}

function bar(bin, name, [low, high], most) {
  const { tell } = MEASURES[name];
  const wrong = bin[WRONG] ? `, ${number(bin[WRONG])} of them wrong` : "";
  const ends = high < Infinity ? `from ${tell(low)} to ${tell(high)}` : `from ${tell(low)} on`;
  const text = `${counted(sumOf(bin), KIND.one)} ${ends}${wrong}`;
  if (!sumOf(bin)) return make("span", { class: "iv-bar" }, make("span", { class: "iv-unseen" }, text));
  const part = (kind) => make("i", { class: `iv-k${kind}`, style: `height:${(bin[kind] / most) * 100}%` });
  const parts = [UNTOLD, WRONG, RIGHT].filter((kind) => bin[kind]).map(part);
  return make("a", { class: "iv-bar", href: listOf({ ranges: { [name]: [low, high] } }), title: text, "aria-label": text }, ...parts);
}
