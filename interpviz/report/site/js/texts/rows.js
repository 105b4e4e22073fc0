const ROW = 66;

/** The address of a text's page; it remembers from which list the reader came. */
function textAddress(texts, place, query) {
  const from = query ? writtenTextQuery(query) : "";
  return `text.html#${keyOf(texts, place)}&n=${place}${from && "&from="}${encodeURIComponent(from)}`;
}

/** A text with what the model made of it, as a link to its page. */
function textRow(data, place, query, measure = mainMeasure(data)) {
  const { texts } = data;
  const words = make("span", { class: "iv-words" }, `Text ${number(place + 1)}`);
  const said = make("span", { class: "iv-note" }, ...noteOf(data, place, measure));
  const kind = ["", " iv-right", " iv-wrong"][texts.verdict[place]];
  const show = ({ text }) => words.replaceChildren(text);
  record(data, place).then(show, (error) => words.replaceChildren(error.message));
  return make("a", { class: `iv-tile iv-row${kind}`, href: textAddress(data.texts, place, query) }, words, said);
}

function noteOf({ texts, run }, place, measure) {
  const parts = [];
  if (texts.predicted[place] >= 0) {
    const sign = ["", "✓ ", "✗ "][texts.verdict[place]];
    const label = texts.verdict[place] === WRONG ? `, the file says ${texts.labels[texts.label[place]]}` : "";
    parts.push(`${sign}${className(run, texts.predicted[place])} ${percent(share(texts.confidence, place))}${label}`);
  }
  const { title, tell } = MEASURES[measure];
  const value = valueOf(texts, measure, place);
  if (measure !== "confidence") parts.push(`${title}: ${value === null ? "no value" : tell(value)}`);
  if (measure !== "tokens") parts.push(counted(round(valueOf(texts, "tokens", place)), "token"));
  return [parts.join(" · ")];
}

/** A list of any number of texts, of which only those in sight are on the page. */
class Lines extends Grid {
  measure() {
    const width = this.list.clientWidth;
    if (!width) return;
    Object.assign(this, { columns: 1, side: width, step: ROW });
    this.shown = min(this.places.length, floor(HIGHEST / ROW));
    this.list.style.height = `${this.shown * ROW}px`;
    this.rest.hidden = this.shown === this.places.length;
    this.rest.textContent = `These are the first ${number(this.shown)} texts: choose fewer to see the others.`;
    for (const [at, item] of this.items) this.put(item, at);
    this.draw();
  }

  put(item, at) {
    item.style.cssText = `width:100%;height:${ROW - 6}px;transform:translateY(${at * ROW}px)`;
  }

  item(at) {
    const link = textRow(this.data, this.places[at], this.query, this.caption);
    set(link, { tabindex: at === this.active ? 0 : -1 });
    const item = make("li", { "aria-setsize": this.places.length, "aria-posinset": at + 1, "data-at": at }, link);
    this.put(item, at);
    this.items.set(at, item);
    return item;
  }
}
