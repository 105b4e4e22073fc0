function textFigures({ summary, run }) {
  const found = [
    [number(summary.explained), summary.explained === 1 ? "text explained" : "texts explained", "texts.html"],
    [number(summary.tokens), "tokens read", "texts.html#order=tokens&down=1"],
    [number(run.layers.length * run.heads), `heads in ${counted(run.layers.length, "layer")}`, "heads.html"],
  ];
  if (summary.loss !== null) found.push([summary.loss.toFixed(2), `mean loss of a token, a perplexity of ${Math.exp(summary.loss).toPrecision(3)}`, "texts.html#order=loss&down=1"]);
  if (summary.labelled) {
    found.unshift([percent(summary.right / summary.labelled), `right, of ${number(summary.labelled)} whose class the file names`, "texts.html#verdict=right"]);
    const wrong = summary.labelled - summary.right;
    found.push([number(wrong), wrong === 1 ? "mistake" : "mistakes", "texts.html#verdict=wrong&order=regret&down=1"]);
  }
  if (summary.failed) found.push([number(summary.failed), summary.failed === 1 ? "text that failed" : "texts that failed", "failures.html"]);
  const items = found.map(([value, text, href]) => make("li", {}, make("a", { href }, make("b", {}, value), ` ${text}`)));
  return make("ul", { class: "iv-figures" }, ...items);
}

const STRANGE_TEXTS = [
  { title: "Least sure", by: "confidence", text: "The model's own first choice got little probability: an unusual text, or one that fits several classes." },
  { title: "Furthest from their class", by: "label_p", verdict: "wrong", text: "The class that the file names got next to nothing: the worst mistakes, or texts with a wrong label." },
  { title: "Least expected", by: "loss", down: true, text: "Each token came as a surprise: rare words, another language, or noise." },
  { title: "Most attention to the first token", by: "sink", down: true, text: "Heads look at the first token when they find nothing else to look at." },
  { title: "Most attention to special tokens", by: "special", down: true, text: "Heads look at tokens such as [SEP] when they find nothing else to look at." },
  { title: "Widest attention", by: "entropy", down: true, text: "No token stands out: heads spread their attention over the whole text." },
];

function textOverview(data) {
  const { summary, texts, run } = data;
  if (!summary.explained) {
    const why = summary.failed ? "None of the texts could be explained; the page on failed texts says why." : "There are no texts in this report.";
    return [textFigures(data), paragraph(why)];
  }
  const main = mainMeasure(data);
  const strange = STRANGE_TEXTS.filter(({ by }) => anyOf(texts, by)).map((kind) => strangeTexts(data, kind));
  return [
    textFigures(data),
    section(MEASURES[main].title, paragraph(`${MEASURES[main].hint} Choose a bar to see its texts.`), textBars(data, main)),
    textConfusion(data),
    section("Strange texts", ...strange),
    section("What the heads do", make("p", {}, "The mean of all texts. More numbers are on ", make("a", { href: "heads.html" }, "the page of heads"), "."), headTables(run, summary.heads)),
    textTerms(data),
  ];
}

/** The strangest texts of a kind, what that means, and where more of them are. */
function strangeTexts(data, { title, by, down = false, verdict = "", text }) {
  const query = { ...emptyTextQuery(), order: by, down, verdict };
  // Those without a value come last, and tell nothing.
  const places = [...selectedTexts(data, query).subarray(0, 5)].filter((place) => data.texts[by][place] !== NONE);
  if (!places.length) return "";
  const list = make("ul", { class: "iv-lines" }, ...places.map((place) => make("li", {}, textRow(data, place, query, by))));
  const more = make("p", {}, make("a", { href: `texts.html#${writtenTextQuery(query)}` }, `All texts in this order: ${title.toLowerCase()}`));
  return make("div", {}, make("h3", {}, title), paragraph(text), list, more);
}

function textTerms({ texts }) {
  const measures = COLUMNS.filter((name) => anyOf(texts, name)).map((name) => [MEASURES[name].title, MEASURES[name].hint]);
  const attention = ["Attention", "how much each token looks at each other one. It tells where the model looked, not why."];
  return section("How to read these pages", definitions([...measures, attention]));
}
