/** Bars that count texts by a measure and lead to them. */
function textBars(data, name) {
  const { texts } = data;
  const { title, tell } = MEASURES[name];
  const parts = innerWidth < 640 ? 10 : 20;
  const scale = texts.scales[name];
  const bins = Array.from({ length: parts }, () => [0, 0, 0]);
  for (let i = 0; i < texts.count; i++) {
    const value = valueOf(texts, name, i);
    if (value !== null) bins[min(floor((value / scale) * parts), parts - 1)][texts.verdict[i]]++;
  }
  const most = max(...bins.map(sumOf), 1);
  const bars = bins.map((bin, i) => make("li", {}, textBar(bin, name, [(i / parts) * scale, i + 1 < parts ? ((i + 1) / parts) * scale : Infinity], most)));
  const kinds = [["iv-k1", "right", RIGHT], ["iv-k2", "wrong", WRONG], ["iv-k0", "cannot be told", UNTOLD]];
  const used = kinds.filter(([, , kind]) => bins.some((bin) => bin[kind]));
  const keys = used.map(([look, text]) => make("span", {}, make("i", { class: look, "aria-hidden": "true" }), text));
  const axis = make("p", { class: "iv-axis", "aria-hidden": "true" }, ...[tell(0), title.toLowerCase(), tell(scale)].map((text) => make("span", {}, text)));
  const chart = make("ul", { class: "iv-bars", "aria-label": `Texts by ${title.toLowerCase()}` }, ...bars);
  return make("figure", { class: "iv-histogram" }, make("p", { class: "iv-keys" }, ...(used.length > 1 ? keys : [])), chart, axis);
}

function sumOf(bin) {
  return bin[0] + bin[1] + bin[2];
}

function textBar(bin, name, [low, high], most) {
  const { tell } = MEASURES[name];
  const wrong = bin[WRONG] ? `, ${number(bin[WRONG])} of them wrong` : "";
  const ends = high < Infinity ? `from ${tell(low)} to ${tell(high)}` : `from ${tell(low)} on`;
  const text = `${counted(sumOf(bin), "text")} ${ends}${wrong}`;
  if (!sumOf(bin)) return make("span", { class: "iv-bar" }, make("span", { class: "iv-unseen" }, text));
  const address = `texts.html#${writtenTextQuery({ ...emptyTextQuery(), ranges: { [name]: [low, high] } })}`;
  const part = (kind) => make("i", { class: `iv-k${kind}`, style: `height:${(bin[kind] / most) * 100}%` });
  const parts = [UNTOLD, WRONG, RIGHT].filter((kind) => bin[kind]).map(part);
  return make("a", { class: "iv-bar", href: address, title: text, "aria-label": text }, ...parts);
}
