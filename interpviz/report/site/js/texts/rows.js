const ROW = 66;

/** A text with what the model made of it, as a link to its page. */
function textRow(data, place, query, measure = mainMeasure(data)) {
  const { entries } = data;
  const words = make("span", { class: "iv-words" }, `Text ${number(place + 1)}`);
  const said = make("span", { class: "iv-note" }, ...noteOf(data, place, measure));
  const kind = ["", " iv-right", " iv-wrong"][entries.verdict[place]];
  const show = ({ text }) => words.replaceChildren(text);
  record(data, place).then(show, (error) => words.replaceChildren(error.message));
  return make("a", { class: `iv-tile iv-row${kind}`, href: addressOf(entries, place, query) }, words, said);
}

function noteOf({ entries, run }, place, measure) {
  const parts = [];
  if (entries.predicted[place] >= 0) {
    const sign = ["", "✓ ", "✗ "][entries.verdict[place]];
    const label = entries.verdict[place] === WRONG ? `, the file says ${entries.labels[entries.label[place]]}` : "";
    parts.push(`${sign}${className(run, entries.predicted[place])} ${measured(entries, "confidence", place)}${label}`);
  }
  if (measure !== "confidence") parts.push(`${MEASURES[measure].title}: ${measured(entries, measure, place)}`);
  if (measure !== "tokens") parts.push(counted(round(valueOf(entries, "tokens", place)), "token"));
  return [parts.join(" · ")];
}

/** A few texts below one another. */
function textRows(data, places, query) {
  return make("ul", { class: "iv-lines" }, ...places.map((place) => make("li", {}, textRow(data, place, query, query.order))));
}

/** A list of any number of texts, of which only those in sight are on the page. */
class Lines extends Grid {
  fit(width) {
    Object.assign(this, { columns: 1, side: width, step: ROW });
  }

  put(item, at) {
    item.style.cssText = `width:100%;height:${ROW - 6}px;transform:translateY(${at * ROW}px)`;
  }
}
