/** What differs between reports of images and of texts, in words and in deeds. */
const KIND = {
  one: "text",
  title: "Text report",
  file: "text",
  own: "file",
  labelled: "whose class the file names",
  others: (count) => `The file names no class of the model for the other ${number(count)}.`,
  failureTitles: ["Text", "Class", "Reason"],
  inOrder: "as in the file",
  list: "texts.html",
  page: "text.html",
  mistakes: "texts.html#verdict=wrong&order=regret&down=1",
  nameOf: (label) => label,
  known: textAndView,
  titleOf: ({ text }) => (text.length > 80 ? `${text.slice(0, 79)}…` : text),
  parts: textParts,
  item: textRow,
  strip: textRows,
  listOf: (data) => new Lines(data),
  captionOf: (data, order) => (Object.hasOwn(MEASURES, order) ? order : mainMeasure(data)),
  pages: { index: textOverview, texts: listPage, text: entryPage, heads: headsPage, failures: failuresPage, about: textAbout },
};

const fixed = (digits) => (value) => value.toFixed(digits);
const MEASURES = {
  tokens: { title: "Tokens", unit: 1, tell: (value) => number(round(value)), hint: "How many tokens the model read." },
  confidence: { title: "Confidence", unit: 100, tell: percent, hint: "How sure the model was of the class that it named." },
  label_p: { title: "Probability of the file's class", unit: 100, tell: percent, hint: "What the model gave to the class that the file names." },
  loss: { title: "Loss of a token", unit: 1, tell: fixed(2), hint: "The mean negative log-likelihood of a token, in nats: high where the text surprised the model." },
  entropy: { title: "Width of attention", unit: 100, tell: percent, hint: "The mean entropy of all heads: 0 where each looks at one token, 100 % where all look at all tokens alike." },
  sink: { title: "Attention to the first token", unit: 100, tell: percent, hint: "The share of all attention that goes to the first token." },
  special: { title: "Attention to special tokens", unit: 100, tell: percent, hint: "The share of all attention that goes to tokens that the tokenizer added." },
};

/** The number that tells most of a text: how sure the model was, or how surprised. */
function mainMeasure({ run }) {
  return { classifies: "confidence", writes: "loss" }[run.does] ?? "entropy";
}
