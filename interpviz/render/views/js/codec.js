/**
 * The bytes behind base64.
 * @param {string} text
 */
function bytes(text) {
  const raw = atob(text);
  const found = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
  return found;
}

/**
 * The weight behind each code: scale (code / 255)^2.
 * @param {number} scale
 */
function weightsOf(scale) {
  return Float32Array.from({ length: 256 }, (_, code) => scale * (code / 255) ** 2);
}

/**
 * Copies codes into whole rows, where a causal head left its empty triangle out.
 * @param {Uint8Array} codes
 * @param {[number, number]} shape
 * @param {number | null} offset
 */
function unpacked(codes, [rows, columns], offset) {
  if (offset === null) return codes;
  const whole = new Uint8Array(rows * columns);
  for (let row = 0, at = 0; row < rows; row++) {
    const length = row + offset + 1;
    whole.set(codes.subarray(at, at + length), row * columns);
    at += length;
  }
  return whole;
}
