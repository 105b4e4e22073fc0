/** The address of an image's page; it remembers from which list the reader came. */
function addressOf(images, place, query) {
  const from = query ? writtenQuery({ ...emptyQuery(), ...query }) : "";
  return `image.html#${keyOf(images, place)}&n=${place}${from && "&from="}${encodeURIComponent(from)}`;
}

/** A picture with what the model said of it, as a link to its page. */
function tile(data, place, query, caption) {
  const { images, run } = data;
  const verdict = images.verdict[place];
  const name = className(run, images.predicted[place]);
  const said = make("b", {}, name);
  const picture = make("img", { src: pictureOf(images, place), alt: `Image ${place + 1}.`, loading: "lazy", decoding: "async" });
  const lines = make("span", { class: "iv-said" }, said, " ", make("span", {}, percent(share(images.confidence, place))));
  const below = caption ? caption(data, place) : verdictLine(images, place);
  const href = addressOf(images, place, query);
  const kind = ["", " iv-right", " iv-wrong"][verdict];
  return make("a", { class: `iv-tile${kind}`, href }, picture, lines, make("span", { class: "iv-note" }, below));
}

function verdictLine(images, place) {
  const label = images.label[place];
  if (label < 0) return "";
  const sign = ["", "✓ ", "✗ "][images.verdict[place]];
  return images.verdict[place] === RIGHT ? `${sign}right` : `${sign}folder: ${labelName(images.labels[label])}`;
}

const VALUES = {
  spread: (told) => `half on ${told}`,
  outside: (told) => `${told} outside`,
  label_p: (told) => `${told} for the folder's`,
};

/** The line below a tile that tells the value a list is ordered by. */
function valueLine(order) {
  return ({ images }, place) => VALUES[order](percent(share(images[order], place)));
}
