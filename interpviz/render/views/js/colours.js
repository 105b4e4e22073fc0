/**
 * The colours of a scale from its lowest to its highest value, as 256 packed pixels.
 * @param {Theme} theme
 */
function rampOf(theme) {
  const points = theme.colour("--ramp").split(",").map((hex) => [1, 3, 5].map((at) => parseInt(hex.trim().slice(at, at + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (points.length - 1);
    const at = min(floor(place), points.length - 2);
    const [r, g, b] = points[at].map((from, i) => round(from + (points[at + 1][i] - from) * (place - at)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

/**
 * A table of levels as a canvas of one pixel each.
 * @param {ArrayLike<number>} levels from 0 to 255
 * @param {number} width
 * @param {number} height
 * @param {Uint32Array} ramp
 */
function picture(levels, width, height, ramp) {
  const canvas = make("canvas", { width, height });
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = ramp[levels[i]];
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

/**
 * How far up the scale a weight lies, from 0 to 1.
 * @param {number} weight
 * @param {number} top the weight at the upper end
 * @param {boolean} log over three powers of ten instead of evenly
 */
function share(weight, top, log) {
  if (!(weight > 0)) return 0;
  return clamp(log ? 1 + Math.log10(weight / top) / 3 : weight / top, 0, 1);
}
