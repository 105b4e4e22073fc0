/** The classes that occur in a column, by name, each with how often. */
function occurring(column, state, name) {
  const counts = new Map();
  for (let i = 0; i < column.length; i++) {
    if (!state[i] && column[i] >= 0) counts.set(column[i], (counts.get(column[i]) ?? 0) + 1);
  }
  const named = [...counts].map(([value, count]) => [value, name(value), count]);
  named.sort((a, b) => a[1].localeCompare(b[1]));
  return [[-1, "all"], ...named.map(([value, text, count]) => [value, `${text} (${number(count)})`])];
}

function has(column) {
  return column.some((value) => value !== NONE);
}

/** Everything that a reader can choose by, told to `act` as a whole query. */
function filters(data, query, act) {
  const { images, run } = data;
  const change = (name) => (value) => act(Object.assign(query, { [name]: value }));
  const labelled = images.labels.length > 0;
  const parts = [
    choice("The model says", occurring(images.predicted, images.state, (i) => className(run, i)), query.predicted, (value) => change("predicted")(Number(value))),
  ];
  if (labelled) {
    const folders = occurring(images.label, images.state, (i) => labelName(images.labels[i]));
    const kinds = [["", "all"], ["right", "right"], ["wrong", "wrong"], ["untold", "cannot be told"]];
    parts.push(choice("The folder says", folders, query.label, (value) => change("label")(Number(value))));
    parts.push(choice("Right or wrong", kinds, query.verdict, change("verdict")));
  }
  parts.push(range("Confidence", query.confidence, "How sure the model was of what it said.", change("confidence")));
  parts.push(range("Spread of the map", query.spread, "The share of the picture that holds half of the heat map: small where the model looked at one spot.", change("spread")));
  if (has(images.outside)) {
    parts.push(range("Outside of the object", query.outside, "The share of the heat map that lies outside of the object's mask.", change("outside")));
  }
  parts.push(choice("Order", orders(images, labelled), query.order, change("order")));
  parts.push(tick("Highest or last first", query.down, change("down")));
  return make("form", { class: "iv-filters", "aria-label": "Which images", onsubmit: (event) => event.preventDefault() }, ...parts);
}

function orders(images, labelled) {
  const all = [["file", "as the files"], ["confidence", "confidence"], ["spread", "spread of the map"], ["predicted", "class that the model says"]];
  if (has(images.outside)) all.push(["outside", "outside of the object"]);
  if (labelled) all.push(["label", "folder"]);
  if (has(images.label_p)) all.push(["label_p", "probability of the folder's class"], ["regret", "worst mistake"]);
  return all;
}
