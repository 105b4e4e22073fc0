const STRANGE_TEXTS = [
  { title: "Least sure", query: { order: "confidence" }, text: "The model's own first choice got little probability: an unusual text, or one that fits several classes." },
  { title: "Furthest from their class", query: { order: "label_p", verdict: "wrong" }, text: "The class that the file names got next to nothing: the worst mistakes, or texts with a wrong label." },
  { title: "Least expected", query: { order: "loss", down: true }, text: "Each token came as a surprise: rare words, another language, or noise." },
  { title: "Most attention to the first token", query: { order: "sink", down: true }, text: "Heads look at the first token when they find nothing else to look at." },
  { title: "Most attention to special tokens", query: { order: "special", down: true }, text: "Heads look at tokens such as [SEP] when they find nothing else to look at." },
  { title: "Widest attention", query: { order: "entropy", down: true }, text: "No token stands out: heads spread their attention over the whole text." },
];

function textOverview(data) {
  const { summary, run } = data;
  const own = [
    [number(summary.tokens), "tokens read", listOf({ order: "tokens", down: true })],
    [number(run.layers.length * run.heads), `heads in ${counted(run.layers.length, "layer")}`, "heads.html"],
  ];
  if (summary.loss !== null) {
    const perplexity = Math.exp(summary.loss).toPrecision(3);
    own.push([summary.loss.toFixed(2), `mean loss of a token, a perplexity of ${perplexity}`, listOf({ order: "loss", down: true })]);
  }
  if (!summary.explained) return [figures(data, own), emptiness(summary)];
  const main = mainMeasure(data);
  const more = make("p", {}, "The mean of all texts. More numbers are on ", make("a", { href: "heads.html" }, "the page of heads"), ".");
  return [
    figures(data, own),
    section(MEASURES[main].title, paragraph(`${MEASURES[main].hint} Choose a bar to see its texts.`), histogram(data, main)),
    confusion(data),
    section("Strange texts", ...STRANGE_TEXTS.map((kind) => chapter(data, { ...kind, most: 5 }))),
    section("What the heads do", more, headTables(run, summary.heads)),
    textTerms(data),
  ];
}

function textTerms({ entries }) {
  const measures = Object.keys(MEASURES)
    .filter((name) => has(entries[name]))
    .map((name) => [MEASURES[name].title, MEASURES[name].hint]);
  const attention = ["Attention", "how much each token looks at each other one. It tells where the model looked, not why."];
  return section("How to read these pages", definitions([...measures, attention]));
}
