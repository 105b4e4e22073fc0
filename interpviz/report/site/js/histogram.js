/** How many images the model was how sure of, by whether it was right. */
function confidenceCounts({ count, state, confidence, verdict }, parts) {
  const bins = Array.from({ length: parts }, () => [0, 0, 0]);
  for (let i = 0; i < count; i++) {
    if (!state[i]) bins[min(floor((confidence[i] / TOP) * parts), parts - 1)][verdict[i]]++;
  }
  return bins;
}

/** Bars that lead to their images. */
function histogram({ images }) {
  // A finger needs bars of some width.
  const bins = confidenceCounts(images, innerWidth < 640 ? 10 : 20);
  const most = max(...bins.map((bin) => bin[0] + bin[1] + bin[2]), 1);
  const bars = bins.map((bin, i) => make("li", {}, bar(bin, [i / bins.length, (i + 1) / bins.length], most)));
  const kinds = [["iv-k1", "right", RIGHT], ["iv-k2", "wrong", WRONG], ["iv-k0", "cannot be told", UNTOLD]];
  const used = kinds.filter(([, , kind]) => bins.some((bin) => bin[kind]));
  const keys = used.map(([look, text]) => make("span", {}, make("i", { class: look, "aria-hidden": "true" }), text));
  const axis = make("p", { class: "iv-axis", "aria-hidden": "true" }, ...["0 %", "how sure the model was", "100 %"].map((text) => make("span", {}, text)));
  const chart = make("ul", { class: "iv-bars", "aria-label": "Images by confidence" }, ...bars);
  return make("figure", { class: "iv-histogram" }, make("p", { class: "iv-keys" }, ...(used.length > 1 ? keys : [])), chart, axis);
}

function bar(bin, [low, high], most) {
  const total = bin[0] + bin[1] + bin[2];
  const wrong = bin[WRONG] ? `, ${number(bin[WRONG])} of them wrong` : "";
  const text = `${counted(total, "image")} from ${round(low * 100)} to ${round(high * 100)} %${wrong}`;
  if (!total) return make("span", { class: "iv-bar" }, make("span", { class: "iv-unseen" }, text));
  const address = `images.html#${writtenQuery({ ...emptyQuery(), confidence: [low, high] })}`;
  const part = (kind) => make("i", { class: `iv-k${kind}`, style: `height:${(bin[kind] / most) * 100}%` });
  const parts = [UNTOLD, WRONG, RIGHT].filter((kind) => bin[kind]).map(part);
  return make("a", { class: "iv-bar", href: address, title: text, "aria-label": text }, ...parts);
}
