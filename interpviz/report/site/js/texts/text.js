/** One text, chosen by the address: `#KEY&n=PLACE&from=LIST`. */
async function textPage(data) {
  const [body, way] = [make("div", {}), make("nav", { class: "iv-line", "aria-label": "Texts of the list" })];
  const update = async () => {
    const { place, query } = lookedForText(data.texts);
    way.replaceChildren(...waysFrom(data, place, query));
    if (place < 0) {
      body.replaceChildren(paragraph("There is no such text in this report: choose one on the page of texts."));
      return;
    }
    const key = keyOf(data.texts, place);
    const [known, view] = await Promise.all([record(data, place), load(`texts/${key.slice(0, 2)}/${key}`, `view ${key}`)]);
    // Another text may have been asked for since.
    if (lookedForText(data.texts).place === place) body.replaceChildren(...textParts(data, place, known, view, query));
  };
  addEventListener("hashchange", () => update().catch((error) => body.replaceChildren(textProblem(error))));
  await update();
  return [way, body];
}

/** Which text the address means; the place alone may be that of an older report. */
function lookedForText(texts) {
  const [key, ...rest] = location.hash.slice(1).split("&");
  const told = new URLSearchParams(rest.join("&"));
  const place = Number(told.get("n") ?? -1);
  const query = parsedTextQuery(told.get("from") ?? "");
  const places = placesOf(texts, key);
  return { place: places.includes(place) ? place : (places[0] ?? -1), query };
}

/** Links to the list and to the neighbours in it. */
function waysFrom(data, place, query) {
  const written = writtenTextQuery(query);
  const places = selectedTexts(data, query);
  const at = places.indexOf(place);
  const link = (text, to) => {
    const target = at < 0 ? undefined : places[to];
    const href = target === undefined ? undefined : textAddress(data.texts, target, query);
    return make("a", { class: "iv-button", href, "aria-disabled": String(href === undefined) }, text);
  };
  const list = make("a", { class: "iv-button", href: `texts.html${written && "#"}${written}` }, "Back to the list");
  const where = make("span", { role: "status" }, at < 0 ? "" : `${number(at + 1)} of ${number(places.length)}`);
  return [list, link("← Previous", at - 1), link("Next →", at + 1), where];
}

function textParts(data, place, known, view, query) {
  const title = known.text.length > 80 ? `${known.text.slice(0, 79)}…` : known.text;
  const heading = document.querySelector("h1");
  if (heading) heading.textContent = title;
  document.title = `${title} - ${data.run.model}`;
  const host = make("div", { class: "interpviz", "data-interpviz-view": "attention" });
  queueMicrotask(() => awaken(host, view.attention));
  const shown = `Of ${counted(data.run.layers.length, "layer")}, the weights of ${counted(view.attention.layers.length, "layer")} are kept. The layers above are numbered as in the model.`;
  return [
    host,
    make("p", { class: "iv-rest" }, shown),
    known.top ? section("What the model says", classShares(data, place, known)) : "",
    view.surprise ? section("How surprising each token was", surprises(view)) : "",
    section("About this text", textFacts(data, place, known)),
    section("What the heads do in this text", headTables(data.run, view.heads)),
    otherPlaces(data, place, query),
  ];
}

/** Puts the library's view in its place, once that is on the page. */
async function awaken(host, payload) {
  host.append(make("script", { type: "application/json" }, JSON.stringify(payload)));
  // Only now the view may find it.
  set(host, { "data-interpviz-needs": VIEWS });
  await views();
  if (host.isConnected) window.interpviz?.[VIEWS]?.();
}

/** The most probable classes, with bars. */
function classShares({ run, texts }, place, { top }) {
  const own = texts.label[place] < 0 ? -1 : texts.classes[texts.label[place]];
  const items = top.map(([index, probability]) => {
    const name = `${className(run, index)}${index === own ? " (the file's)" : ""}`;
    const bar = make("i", { "aria-hidden": "true", style: `width:${probability * 100}%` });
    return make("li", {}, make("span", {}, name), make("b", {}, percent(probability)), make("span", { class: "iv-track" }, bar));
  });
  return make("ol", { class: "iv-top" }, ...items);
}

/** Tokens, darker where the model did not expect them. */
function surprises({ surprise, attention }) {
  const { tokens } = attention.texts[0];
  const top = max(1, ...surprise.map((loss) => loss ?? 0));
  const parts = tokens.map((token, at) => {
    const loss = surprise[at];
    if (loss === null || loss === undefined) return make("span", { class: "iv-token" }, token);
    return make("span", { class: "iv-token iv-bad", style: `--strength:${round((loss / top) * 60)}%` }, token, make("small", {}, loss.toFixed(1)));
  });
  const text = "Each number is the negative log-likelihood of a token after those before it, in nats: 0 is certain, 0.7 an even chance, 7 one in a thousand. The first token has none.";
  return make("div", {}, paragraph(text), make("p", { class: "iv-tokens" }, ...parts));
}

function textFacts({ run, texts }, place, known) {
  const measures = COLUMNS.map((name) => [MEASURES[name].title, texts[name][place] === NONE ? undefined : MEASURES[name].tell(valueOf(texts, name, place))]);
  return definitions([
    ["Text", known.text],
    ["Stands at", known.id],
    ["The file says", known.label],
    ["The model says", known.top && className(run, known.top[0][0])],
    ["Right", [undefined, "yes", "no"][texts.verdict[place]]],
    ...measures,
    ["To read it", (known.notes ?? []).join(", ")],
  ]);
}

/** Other places of the same text. */
function otherPlaces({ texts }, place, query) {
  const others = placesOf(texts, keyOf(texts, place)).filter((other) => other !== place);
  if (!others.length) return "";
  const links = others.slice(0, 20).map((other) => make("li", {}, make("a", { href: textAddress(texts, other, query) }, `text ${number(other + 1)}`)));
  return section("The same text again", make("ul", {}, ...links));
}
