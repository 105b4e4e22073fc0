// What the reader wants to see, as it stands in the address of a page.
const RANGES = ["confidence", "spread", "outside"];
const CHOICES = ["predicted", "label"];
const VERDICTS = { right: RIGHT, wrong: WRONG, untold: UNTOLD };
const ORDERS = ["file", "confidence", "label_p", "spread", "outside", "regret", "predicted", "label"];

function emptyQuery() {
  return { predicted: -1, label: -1, verdict: "", confidence: [0, 1], spread: [0, 1], outside: [0, 1], order: "file", down: false };
}

function parsedQuery(text) {
  const told = new URLSearchParams(text);
  const query = emptyQuery();
  for (const name of CHOICES) {
    const value = told.get(name);
    if (/^\d{1,9}$/.test(value ?? "")) query[name] = Number(value);
  }
  for (const name of RANGES) {
    const [low, high] = (told.get(name) ?? "").split("-").map(Number);
    if (low >= 0 && high <= 1 && low <= high) query[name] = [low, high];
  }
  if (Object.hasOwn(VERDICTS, told.get("verdict") ?? "")) query.verdict = told.get("verdict");
  if (ORDERS.includes(told.get("order"))) query.order = told.get("order");
  query.down = told.get("down") === "1";
  return query;
}

/** Only what differs from the usual. */
function writtenQuery(query) {
  const told = new URLSearchParams();
  for (const name of CHOICES) if (query[name] >= 0) told.set(name, query[name]);
  for (const name of RANGES) {
    const [low, high] = query[name];
    if (low > 0 || high < 1) told.set(name, `${low}-${high}`);
  }
  if (query.verdict) told.set("verdict", query.verdict);
  if (query.order !== "file") told.set("order", query.order);
  if (query.down) told.set("down", "1");
  return told.toString();
}

/** The places of the images that a query asks for, in its order. */
function selected(data, query) {
  const { images } = data;
  const tests = testsOf(images, query);
  const found = new Uint32Array(images.count);
  let length = 0;
  for (let i = 0; i < images.count; i++) {
    if (images.state[i]) continue;
    let wanted = true;
    for (const { column, low, high } of tests) {
      if (column[i] < low || column[i] >= high) {
        wanted = false;
        break;
      }
    }
    if (wanted) found[length++] = i;
  }
  return ordered(found.subarray(0, length), keysOf(data, query.order), query.down);
}

function testsOf(images, query) {
  const tests = [];
  const exactly = (column, value) => tests.push({ column, low: value, high: value + 1 });
  for (const name of CHOICES) if (query[name] >= 0) exactly(images[name], query[name]);
  if (query.verdict) exactly(images.verdict, VERDICTS[query.verdict]);
  for (const name of RANGES) {
    const [low, high] = query[name];
    // The upper end is left out, so that neighbouring ranges share no image, but for the whole 1.
    if (low > 0 || high < 1) tests.push({ column: images[name], low: low * TOP, high: high < 1 ? high * TOP : NONE });
  }
  return tests;
}

/** Numbers of 16 bits to order by; null for the order of the files. */
function keysOf({ images, run }, order) {
  if (order === "file") return null;
  if (order === "predicted") return ranked(images.predicted, (index) => className(run, index));
  if (order === "label") return ranked(images.label, (index) => labelName(images.labels[index]));
  return images[order];
}

/** The place of each name in the alphabet. */
function ranked(column, name) {
  const kinds = [...new Set(column)].filter((value) => value >= 0);
  const names = new Map(kinds.map((value) => [value, name(value)]));
  kinds.sort((a, b) => names.get(a).localeCompare(names.get(b)));
  const ranks = new Map(kinds.map((value, rank) => [value, min(rank, TOP)]));
  return Uint16Array.from(column, (value) => ranks.get(value) ?? NONE);
}

/** Places by their keys; equal ones stay in their order, and those without a value come last. */
function ordered(places, keys, down) {
  if (!keys) return down ? places.slice().reverse() : places;
  const slot = (place) => (keys[place] === NONE ? NONE : down ? TOP - keys[place] : keys[place]);
  const starts = new Uint32Array(NONE + 2);
  for (const place of places) starts[slot(place) + 1]++;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  const sorted = new Uint32Array(places.length);
  for (const place of places) sorted[starts[slot(place)]++] = place;
  return sorted;
}

/** The first of the places that a query asks for. */
function best(data, changes, most) {
  return selected(data, { ...emptyQuery(), ...changes }).subarray(0, most);
}
