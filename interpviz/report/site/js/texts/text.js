/** The record of a text, with what is shown of its attention. */
async function textAndView(data, place) {
  const key = keyOf(data.entries, place);
  const [known, view] = await Promise.all([record(data, place), load(`texts/${key.slice(0, 2)}/${key}`, `view ${key}`)]);
  return { ...known, view };
}

/** What is shown of one text. */
function textParts(data, place, known) {
  const { view } = known;
  const host = make("div", { class: "interpviz", "data-interpviz-view": "attention" });
  queueMicrotask(() => enliven(host, view.attention));
  const shown = `Of ${counted(data.run.layers.length, "layer")}, the weights of ${counted(view.attention.layers.length, "layer")} are kept. The layers above are numbered as in the model.`;
  return [
    host,
    make("p", { class: "iv-rest" }, shown),
    known.top ? section("What the model says", probabilities(data, place, known)) : "",
    view.surprise ? section("How surprising each token was", surprises(view)) : "",
    section("About this text", textFacts(data, place, known)),
    section("What the heads do in this text", headTables(data.run, view.heads)),
  ];
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

function textFacts({ run, entries }, place, known) {
  const measures = Object.keys(MEASURES).filter((name) => entries[name][place] !== NONE);
  return definitions([
    ["Text", known.text],
    ["Stands at", known.id],
    ["The file says", known.label],
    ["The model says", known.top && className(run, known.top[0][0])],
    ["Right", [undefined, "yes", "no"][entries.verdict[place]]],
    ...measures.map((name) => [MEASURES[name].title, measured(entries, name, place)]),
    ["To read it", (known.notes ?? []).join(", ")],
  ]);
}
