const COLUMNS = ["tokens", "confidence", "label_p", "loss", "entropy", "sink", "special"];

/** What is known of the whole report. */
async function everyText() {
  const [run, index, summary] = await Promise.all(["run", "index", "summary"].map((name) => load(name, name)));
  if (run.format !== 1 || run.kind !== "texts") throw new Error("The data are of another version than these pages: make the report again.");
  return { run, summary, index, texts: unpackedTexts(index) };
}

/** What the index says of all texts, as one typed array for each column. */
function unpackedTexts({ count, columns, labels, label_class: classes, scales }) {
  const raw = (name) => bytes(columns[name]);
  const texts = { count, labels, classes, scales, key: raw("key"), state: raw("state") };
  for (const name of ["label", "predicted"]) texts[name] = new Int32Array(raw(name).buffer, 0, count);
  for (const name of COLUMNS) texts[name] = new Uint16Array(raw(name).buffer, 0, count);
  return Object.assign(texts, { verdict: verdicts(texts), regret: regrets(texts) });
}

/** The number of a text in a column, or null. */
function valueOf(texts, name, place) {
  const code = texts[name][place];
  return code === NONE ? null : (code / TOP) * texts.scales[name];
}

/** Whether any text has a number in a column. */
function anyOf(texts, name) {
  return texts[name].some((code) => code !== NONE);
}

const fixed = (digits) => (value) => value.toFixed(digits);
const MEASURES = {
  confidence: { title: "Confidence", unit: 100, tell: percent, hint: "How sure the model was of the class that it named." },
  label_p: { title: "Probability of the file's class", unit: 100, tell: percent, hint: "What the model gave to the class that the file names." },
  loss: { title: "Loss of a token", unit: 1, tell: fixed(2), hint: "The mean negative log-likelihood of a token, in nats: high where the text surprised the model." },
  tokens: { title: "Tokens", unit: 1, tell: (value) => number(round(value)), hint: "How many tokens the model read." },
  entropy: { title: "Width of attention", unit: 100, tell: percent, hint: "The mean entropy of all heads: 0 where each looks at one token, 100 % where all look at all tokens alike." },
  sink: { title: "Attention to the first token", unit: 100, tell: percent, hint: "The share of all attention that goes to the first token." },
  special: { title: "Attention to special tokens", unit: 100, tell: percent, hint: "The share of all attention that goes to tokens that the tokenizer added." },
};

/** The number that tells most of a text: how sure the model was, or how surprised. */
function mainMeasure({ run }) {
  return { classifies: "confidence", writes: "loss" }[run.does] ?? "entropy";
}
