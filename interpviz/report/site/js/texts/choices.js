/** Two numbers, each of which may be left open; `unit` times as large as they are held. */
function bounds(name, [low, high], { unit, hint }, act) {
  const tidy = (value) => (value > 0 && value < Infinity ? Number((value * unit).toFixed(3)) : "");
  const bound = (value, what) => make("input", { type: "number", min: 0, step: "any", value: tidy(value), "aria-label": what, onchange: tell });
  const [from, to] = [bound(low, "from"), bound(high, "to")];
  function tell() {
    const [a, b] = [from, to].map((box, i) => (box.value === "" ? [0, Infinity][i] : max(0, Number(box.value) / unit)));
    act(a <= b ? [a, b] : [b, a]);
  }
  return make("fieldset", { title: hint }, make("legend", {}, unit === 100 ? `${name}, %` : name), from, " to ", to);
}

/** The values that occur in a column, by name, each with how often. */
function namesIn(column, name) {
  const counts = new Map();
  for (const value of column) if (value >= 0) counts.set(value, (counts.get(value) ?? 0) + 1);
  const named = [...counts].map(([value, count]) => [value, `${name(value)} (${number(count)})`]);
  return [[-1, "all"], ...named.sort((a, b) => a[1].localeCompare(b[1]))];
}

/** Everything that a reader can choose by, told to `act`. */
function textFilters(data, query, act) {
  const { texts, run } = data;
  const change = (name) => (value) => act(Object.assign(query, { [name]: value }));
  const parts = [];
  if (run.does === "classifies") {
    parts.push(choice("The model says", namesIn(texts.predicted, (i) => className(run, i)), query.predicted, (value) => change("predicted")(Number(value))));
  }
  if (texts.labels.length) parts.push(choice("The file says", namesIn(texts.label, (i) => texts.labels[i]), query.label, (value) => change("label")(Number(value))));
  if (texts.verdict.some(Boolean)) {
    const kinds = [["", "all"], ["right", "right"], ["wrong", "wrong"], ["untold", "cannot be told"]];
    parts.push(choice("Right or wrong", kinds, query.verdict, change("verdict")));
  }
  const known = COLUMNS.filter((name) => anyOf(texts, name));
  for (const name of known.filter((one) => one !== "label_p")) {
    const limit = (value) => change("ranges")({ ...query.ranges, [name]: value });
    parts.push(bounds(MEASURES[name].title, query.ranges[name] ?? [0, Infinity], MEASURES[name], limit));
  }
  parts.push(choice("Order", textOrders(data, known), query.order, change("order")));
  parts.push(tick("Highest or last first", query.down, change("down")));
  return make("form", { class: "iv-filters", "aria-label": "Which texts", onsubmit: (event) => event.preventDefault() }, ...parts);
}

function textOrders({ texts, run }, known) {
  const all = [["file", "as in the file"], ...known.map((name) => [name, MEASURES[name].title.toLowerCase()])];
  if (run.does === "classifies") all.push(["predicted", "class that the model says"]);
  if (texts.labels.length) all.push(["label", "class that the file says"]);
  if (anyOf(texts, "label_p")) all.push(["regret", "worst mistake"]);
  return all;
}
