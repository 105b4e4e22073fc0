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

/** What the index says of all images, as one typed array for each column. */
function unpacked({ count, columns, labels, label_class: classes, pictures }) {
  const raw = Object.fromEntries(Object.entries(columns).map(([name, text]) => [name, bytes(text)]));
  const whole = (name) => new Int32Array(raw[name].buffer, 0, count);
  const unit = (name) => new Uint16Array(raw[name].buffer, 0, count);
  const images = { count, labels, classes, pictures, key: raw.key, state: raw.state };
  for (const name of ["label", "predicted"]) images[name] = whole(name);
  for (const name of ["confidence", "label_p", "spread", "outside"]) images[name] = unit(name);
  return Object.assign(images, { verdict: verdicts(images), regret: regrets(images) });
}

const UNTOLD = 0;
const RIGHT = 1;
const WRONG = 2;

/** Whether each image was named as its folder is. */
function verdicts({ count, state, label, predicted, classes }) {
  const found = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const own = label[i] < 0 || state[i] ? -1 : classes[label[i]];
    if (own >= 0) found[i] = own === predicted[i] ? RIGHT : WRONG;
  }
  return found;
}

/** By how much the class that was named was more probable than the image's own. */
function regrets({ count, confidence, label_p: own }) {
  const found = new Uint16Array(count);
  for (let i = 0; i < count; i++) found[i] = own[i] === NONE ? NONE : max(0, confidence[i] - own[i]);
  return found;
}

/** A share of one, or null. */
function share(column, place) {
  return column[place] === NONE ? null : column[place] / TOP;
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

function pictureOf(images, place) {
  const key = keyOf(images, place);
  return images.pictures.replace("{2}", key.slice(0, 2)).replace("{key}", key);
}
