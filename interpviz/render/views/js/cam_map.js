/**
 * A map as it was stored: its code less the code of zero, times its step.
 * @param {CamData} data
 * @param {boolean} shared whether the classes of a method share one scale
 * @param {CamPick} pick
 * @returns {CamMap}
 */
function camMap({ methods, signed }, shared, { method, of }) {
  const { shape: size, maps, steps } = methods[method];
  const levels = signed ? 127 : 255;
  const values = Float32Array.from(bytes(maps[of]), (code) => (code - (signed ? 128 : 0)) * steps[of]);
  return { values, size, peak: steps[of] * levels, top: (shared ? max(...steps) : steps[of]) * levels };
}

/**
 * The value of a map at a place of the photo, bilinear between the middles of its cells.
 * @param {CamMap} map
 * @param {number} x share of the width
 * @param {number} y share of the height
 */
function valueAt({ values, size: [rows, columns] }, x, y) {
  const down = clamp(y * rows - 0.5, 0, rows - 1);
  const right = clamp(x * columns - 0.5, 0, columns - 1);
  const row = min(floor(down), max(rows - 2, 0));
  const column = min(floor(right), max(columns - 2, 0));
  const at = row * columns + column;
  const [below, beside] = [rows > 1 ? columns : 0, columns > 1 ? 1 : 0];
  const upper = values[at] + (values[at + beside] - values[at]) * (right - column);
  const lower = values[at + below] + (values[at + below + beside] - values[at + below]) * (right - column);
  return upper + (lower - upper) * (down - row);
}

/**
 * Draws a map as large as a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {CamMap} map
 * @param {boolean} signed
 * @param {Uint32Array} ramp
 */
function paintMap(canvas, map, signed, ramp) {
  const { width, height } = canvas;
  const columns = map.size[1];
  // An array of this kind rounds, and keeps its values between 0 and 255.
  const levels = new Uint8ClampedArray(width * height);
  const [factor, zero] = signed ? [127.5, 127.5] : [255, 0];
  const across = Float32Array.from({ length: width }, (_, x) => clamp(((x + 0.5) * columns) / width - 0.5, 0, columns - 1));
  for (let y = 0, i = 0; y < height; y++) {
    const cells = Float32Array.from({ length: columns + 1 }, (_, column) => (factor * valueAt(map, (column + 0.5) / columns, (y + 0.5) / height)) / (map.top || 1) + zero);
    for (let x = 0; x < width; x++, i++) {
      const at = floor(across[x]);
      levels[i] = cells[at] + (cells[at + 1] - cells[at]) * (across[x] - at);
    }
  }
  canvas.getContext("2d")?.drawImage(picture(levels, width, height, ramp), 0, 0);
}

/** @param {number} value */
function threeDigits(value) {
  return String(+value.toPrecision(3));
}
