const NONE = 65535;
const TOP = 65534;

/** The bytes behind base64. */
function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const found = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
  return found;
}

/** What the index says of all entries, as one typed array for each column. */
function unpacked({ count, columns, labels, label_class: classes, scales = {}, pictures }) {
  const raw = (name) => bytes(columns[name]);
  const entries = { count, labels, classes, pictures, scales: {}, key: raw("key"), state: raw("state") };
  for (const name of ["label", "predicted"]) entries[name] = new Int32Array(raw(name).buffer, 0, count);
  for (const name of Object.keys(MEASURES)) {
    entries[name] = new Uint16Array(raw(name).buffer, 0, count);
    // What the largest code stands for.
    entries.scales[name] = scales[name] ?? 1;
  }
  return Object.assign(entries, { verdict: verdicts(entries), regret: regrets(entries) });
}

const UNTOLD = 0;
const RIGHT = 1;
const WRONG = 2;

/** Whether the class of each entry is the one that its label means. */
function verdicts({ count, state, label, predicted, classes }) {
  const found = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const own = label[i] < 0 || state[i] ? -1 : classes[label[i]];
    if (own >= 0) found[i] = own === predicted[i] ? RIGHT : WRONG;
  }
  return found;
}

/** By how much the class that was named was more probable than the entry's own. */
function regrets({ count, confidence, label_p: own }) {
  const found = new Uint16Array(count);
  for (let i = 0; i < count; i++) found[i] = own[i] === NONE ? NONE : max(0, confidence[i] - own[i]);
  return found;
}

/** The number of an entry in a column, or null. */
function valueOf(entries, name, place) {
  const code = entries[name][place];
  return code === NONE ? null : (code / TOP) * entries.scales[name];
}

/** The number of an entry in a column, as a person reads it. */
function measured(entries, name, place) {
  const value = valueOf(entries, name, place);
  return value === null ? "no value" : MEASURES[name].tell(value);
}

/** Whether any entry has a number in a column. */
function has(column) {
  return column.some((code) => code !== NONE);
}

function keyOf({ key }, place) {
  let text = "";
  for (let i = place * 10; i < place * 10 + 10; i++) text += key[i].toString(16).padStart(2, "0");
  return text;
}

/** All places of one content, in their order. */
function placesOf({ key, count, state }, text) {
  const wanted = (text.match(/../g) ?? []).map((pair) => parseInt(pair, 16));
  const found = [];
  if (wanted.length !== 10) return found;
  for (let i = 0; i < count; i++) {
    if (!state[i] && wanted.every((byte, at) => key[i * 10 + at] === byte)) found.push(i);
  }
  return found;
}
