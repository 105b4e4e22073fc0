// What the reader wants to see, as it stands in the address of a page.
const CHOICES = ["predicted", "label"];
const VERDICTS = { right: RIGHT, wrong: WRONG, untold: UNTOLD };
const ORDERS = ["file", "regret", ...CHOICES, ...Object.keys(MEASURES)];

function emptyQuery() {
  return { predicted: -1, label: -1, verdict: "", ranges: {}, order: "file", down: false };
}

function parsedQuery(text) {
  const told = new URLSearchParams(text);
  const query = emptyQuery();
  for (const name of CHOICES) {
    const value = told.get(name);
    if (/^\d{1,9}$/.test(value ?? "")) query[name] = Number(value);
  }
  for (const name of Object.keys(MEASURES)) {
    const found = /^(\d+\.?\d*)?-(\d+\.?\d*)?$/.exec(told.get(name) ?? "");
    const [low, high] = found ? [Number(found[1] ?? 0), upTo(name, Number(found[2] ?? Infinity))] : [1, 0];
    if (low <= high) query.ranges[name] = [low, high];
  }
  if (Object.hasOwn(VERDICTS, told.get("verdict") ?? "")) query.verdict = told.get("verdict");
  if (ORDERS.includes(told.get("order"))) query.order = told.get("order");
  query.down = told.get("down") === "1";
  return query;
}

/** The upper end of a range: the whole of a share is no bound. */
function upTo(name, high) {
  return MEASURES[name].unit === 100 && high >= 1 ? Infinity : high;
}

/** Only what differs from the usual. */
function writtenQuery(query) {
  const told = new URLSearchParams();
  for (const name of CHOICES) if (query[name] >= 0) told.set(name, query[name]);
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

/** The address of the list of what a query asks for. */
function listOf(changes) {
  const written = writtenQuery({ ...emptyQuery(), ...changes });
  return `${KIND.list}${written && "#"}${written}`;
}

/** The address of an entry's page; it remembers from which list the reader came. */
function addressOf(entries, place, query) {
  const from = writtenQuery({ ...emptyQuery(), ...query });
  return `${KIND.page}#${keyOf(entries, place)}&n=${place}${from && "&from="}${encodeURIComponent(from)}`;
}

/** The places of the entries that a query asks for, in its order. */
function selected(data, query) {
  const { entries } = data;
  const tests = testsOf(entries, query);
  const found = new Uint32Array(entries.count);
  let length = 0;
  for (let i = 0; i < entries.count; i++) {
    if (entries.state[i]) continue;
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

function testsOf(entries, query) {
  const tests = [];
  const exactly = (column, value) => tests.push({ column, low: value, high: value + 1 });
  for (const name of CHOICES) if (query[name] >= 0) exactly(entries[name], query[name]);
  if (query.verdict) exactly(entries.verdict, VERDICTS[query.verdict]);
  for (const [name, ends] of Object.entries(query.ranges)) {
    if (ends[0] === 0 && ends[1] === Infinity) continue;
    // The upper end is left out, so that neighbouring ranges share no entry.
    const [low, high] = ends.map((end) => min((end * TOP) / entries.scales[name], NONE));
    tests.push({ column: entries[name], low, high });
  }
  return tests;
}

/** Numbers of 16 bits to order by; null for the order of the files. */
function keysOf({ entries, run }, order) {
  if (order === "file") return null;
  if (order === "predicted") return ranked(entries.predicted, (index) => className(run, index));
  if (order === "label") return ranked(entries.label, (index) => KIND.nameOf(entries.labels[index]));
  return entries[order];
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
