/** Everything that a reader can choose by, told to `act`. */
function filters({ entries, run }, query, act) {
  const change = (name, value) => act(Object.assign(query, { [name]: value }));
  const ofClass = (title, name, nameOf) =>
    choice(title, occurring(entries[name], entries.state, nameOf), query[name], (value) => change(name, Number(value)));
  const parts = [];
  if (named(entries)) parts.push(ofClass("The model says", "predicted", (index) => className(run, index)));
  if (entries.labels.length) parts.push(ofClass(`The ${KIND.own} says`, "label", (index) => KIND.nameOf(entries.labels[index])));
  if (entries.verdict.some(Boolean)) {
    const kinds = [["", "all"], ["right", "right"], ["wrong", "wrong"], ["untold", "cannot be told"]];
    parts.push(choice("Right or wrong", kinds, query.verdict, (value) => change("verdict", value)));
  }
  const known = Object.keys(MEASURES).filter((name) => has(entries[name]));
  for (const name of known.filter((one) => one !== "label_p")) {
    parts.push(range(name, query.ranges[name] ?? [0, Infinity], (ends) => change("ranges", { ...query.ranges, [name]: ends })));
  }
  parts.push(choice("Order", orders(entries, known), query.order, (value) => change("order", value)));
  parts.push(tick("Highest or last first", query.down, (value) => change("down", value)));
  return make("form", { class: "iv-filters", "aria-label": `Which ${KIND.one}s`, onsubmit: (event) => event.preventDefault() }, ...parts);
}

/** Whether the model names classes. */
function named({ predicted }) {
  return predicted.some((index) => index >= 0);
}

function orders(entries, known) {
  const all = [["file", KIND.inOrder], ...known.map((name) => [name, MEASURES[name].title.toLowerCase()])];
  if (named(entries)) all.push(["predicted", "class that the model says"]);
  if (entries.labels.length) all.push(["label", `class that the ${KIND.own} says`]);
  if (has(entries.label_p)) all.push(["regret", "worst mistake"]);
  return all;
}
