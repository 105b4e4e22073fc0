// What the reader wants to see, as it stands in the address of a page.
const TEXT_CHOICES = ["predicted", "label"];
const TEXT_ORDERS = ["file", "regret", ...TEXT_CHOICES, ...COLUMNS];

function emptyTextQuery() {
  return { predicted: -1, label: -1, verdict: "", order: "file", down: false, ranges: {} };
}

function parsedTextQuery(text) {
  const told = new URLSearchParams(text);
  const query = emptyTextQuery();
  for (const name of TEXT_CHOICES) if (/^\d{1,9}$/.test(told.get(name) ?? "")) query[name] = Number(told.get(name));
  for (const name of COLUMNS) {
    const found = /^(\d+\.?\d*)?-(\d+\.?\d*)?$/.exec(told.get(name) ?? "");
    if (found) query.ranges[name] = [Number(found[1] ?? 0), Number(found[2] ?? Infinity)];
  }
  if (Object.hasOwn(VERDICTS, told.get("verdict") ?? "")) query.verdict = told.get("verdict");
  if (TEXT_ORDERS.includes(told.get("order"))) query.order = told.get("order");
  query.down = told.get("down") === "1";
  return query;
}

/** Only what differs from the usual. */
function writtenTextQuery(query) {
  const told = new URLSearchParams();
  for (const name of TEXT_CHOICES) if (query[name] >= 0) told.set(name, query[name]);
  for (const [name, [low, high]] of Object.entries(query.ranges)) {
    if (low > 0 || high < Infinity) told.set(name, `${plain(low)}-${high < Infinity ? plain(high) : ""}`);
  }
  if (query.verdict) told.set("verdict", query.verdict);
  if (query.order !== "file") told.set("order", query.order);
  if (query.down) told.set("down", "1");
  return told.toString();
}

/** A number without a power of ten. */
function plain(value) {
  return value.toFixed(9).replace(/\.?0+$/, "");
}

/** The places of the texts that a query asks for, in its order. */
function selectedTexts(data, query) {
  const { texts } = data;
  const ranges = Object.entries(query.ranges);
  const found = new Uint32Array(texts.count);
  let length = 0;
  for (let i = 0; i < texts.count; i++) if (!texts.state[i] && isWanted(texts, i, query, ranges)) found[length++] = i;
  return ordered(found.subarray(0, length), textKeys(data, query.order), query.down);
}

function isWanted(texts, place, query, ranges) {
  if (TEXT_CHOICES.some((name) => query[name] >= 0 && texts[name][place] !== query[name])) return false;
  if (query.verdict && texts.verdict[place] !== VERDICTS[query.verdict]) return false;
  // The upper end is left out, so that neighbouring ranges share no text.
  return ranges.every(([name, [low, high]]) => {
    const value = valueOf(texts, name, place);
    return value !== null && value >= low && value < high;
  });
}

/** Numbers of 16 bits to order by; null for the order of the file. */
function textKeys({ texts, run }, order) {
  if (order === "file") return null;
  if (order === "predicted") return ranked(texts.predicted, (index) => className(run, index));
  if (order === "label") return ranked(texts.label, (index) => texts.labels[index]);
  return texts[order];
}
