function pictureOf(entries, place) {
  const key = keyOf(entries, place);
  return entries.pictures.replace("{2}", key.slice(0, 2)).replace("{key}", key);
}

/** A picture with what the model said of it, as a link to its page. */
function tile(data, place, query, caption) {
  const { entries, run } = data;
  const verdict = entries.verdict[place];
  const name = className(run, entries.predicted[place]);
  const said = make("b", {}, name);
  const picture = make("img", { src: pictureOf(entries, place), alt: `Image ${place + 1}.`, loading: "lazy", decoding: "async" });
  const lines = make("span", { class: "iv-said" }, said, " ", make("span", {}, measured(entries, "confidence", place)));
  const below = caption ? caption(data, place) : verdictLine(entries, place);
  const href = addressOf(entries, place, query);
  const kind = ["", " iv-right", " iv-wrong"][verdict];
  return make("a", { class: `iv-tile${kind}`, href }, picture, lines, make("span", { class: "iv-note" }, below));
}

function verdictLine(entries, place) {
  const label = entries.label[place];
  if (label < 0) return "";
  const sign = ["", "✓ ", "✗ "][entries.verdict[place]];
  return entries.verdict[place] === RIGHT ? `${sign}right` : `${sign}folder: ${labelName(entries.labels[label])}`;
}

const VALUES = {
  spread: (told) => `half on ${told}`,
  outside: (told) => `${told} outside`,
  label_p: (told) => `${told} for the folder's`,
};

/** The line below a tile that tells the value a list is ordered by. */
function valueLine(order) {
  return ({ entries }, place) => VALUES[order](measured(entries, order, place));
}
