// The colours of the maps, as everywhere in this library: dark where nothing spoke for the class.
const COLOURS = ["#000004", "#160b39", "#420a68", "#6a176e", "#932667", "#bc3754", "#dd513a", "#f37819", "#fca50a", "#f6d746", "#fcffa4"];
const RAMP = rampOf(COLOURS);

function rampOf(points) {
  const stops = points.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (stops.length - 1);
    const at = min(floor(place), stops.length - 2);
    const [r, g, b] = stops[at].map((from, i) => round(from + (stops[at + 1][i] - from) * (place - at)));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

/** Where between two cells each pixel lies, with pixel centres at half steps. */
function between(cells, pixels) {
  return Array.from({ length: pixels }, (_, pixel) => {
    const place = clamp(((pixel + 0.5) * cells) / pixels - 0.5, 0, cells - 1);
    const low = floor(place);
    return { low, high: min(low + 1, cells - 1), share: place - low };
  });
}

/** A map enlarged to a picture's size, as levels from 0 to 255. */
function enlarged(map, [rows, columns], width, height) {
  const [down, across] = [between(rows, height), between(columns, width)];
  const levels = new Uint8ClampedArray(width * height);
  let at = 0;
  for (const y of down) {
    for (const x of across) {
      const above = map[y.low * columns + x.low] * (1 - x.share) + map[y.low * columns + x.high] * x.share;
      const below = map[y.high * columns + x.low] * (1 - x.share) + map[y.high * columns + x.high] * x.share;
      levels[at++] = above * (1 - y.share) + below * y.share;
    }
  }
  return levels;
}

/** Paints a map onto the whole of a canvas. */
function paint(canvas, map, grid) {
  const { width, height } = canvas;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  enlarged(map, grid, width, height).forEach((level, i) => (pixels[i] = RAMP[level]));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A canvas with a map, and in words what is seen on it. */
function heat(map, grid, [width, height], what) {
  const canvas = make("canvas", { width, height, role: "img", "aria-label": `${what}: ${told(map, grid)}` });
  paint(canvas, map, grid);
  return canvas;
}

/** Where a map is brightest. */
function told(map, [rows, columns]) {
  const peak = map.reduce((found, value, at) => (value > map[found] ? at : found), 0);
  if (!map[peak]) return "empty, nothing spoke for it";
  const [x, y] = [((peak % columns) + 0.5) / columns, (floor(peak / columns) + 0.5) / rows];
  return `brightest at the ${whereabouts(x, y)}`;
}

/** The colours from nothing to most, with words at both ends. */
function legend() {
  return make("p", { class: "iv-legend" }, "nothing", make("i", { "aria-hidden": "true" }), "most evidence");
}
