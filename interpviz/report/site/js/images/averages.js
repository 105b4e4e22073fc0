const BLENDED = 16;
const SIDE = 224;

/** The average map of each class that was named, with what is known of the class. */
function averages({ entries, run, summary }) {
  const found = Object.entries(summary.averages).map(([key, { count, grid, map }]) => {
    const index = Number(key);
    return { index, name: className(run, index), count, grid, map: bytes(map), wrong: 0, told: 0 };
  });
  const known = new Map(found.map((one) => [one.index, one]));
  for (let i = 0; i < entries.count; i++) {
    const one = entries.state[i] || entries.verdict[i] === UNTOLD ? undefined : known.get(entries.predicted[i]);
    if (!one) continue;
    one.told++;
    one.wrong += entries.verdict[i] === WRONG;
  }
  return found;
}

/** The average over all classes, of those whose maps have the most frequent shape. */
function overall(classes) {
  const shapes = new Map();
  for (const { grid, count } of classes) shapes.set(String(grid), (shapes.get(String(grid)) ?? 0) + count);
  const shape = [...shapes].sort((a, b) => b[1] - a[1])[0][0];
  const same = classes.filter(({ grid }) => String(grid) === shape);
  const total = same.reduce((sum, { count }) => sum + count, 0);
  const map = Float32Array.from(same[0].map, (_, at) => same.reduce((sum, one) => sum + one.map[at] * one.count, 0) / total);
  return { count: total, grid: same[0].grid, map };
}

/**
 * How much of its weight an average map has elsewhere than the average of all, or null: a share,
 * times the root of the number of images, since few of them are unlike the others by chance.
 */
function strangeness({ map, grid, count }, all) {
  if (String(grid) !== String(all.grid)) return null;
  const [own, other] = [map, all.map].map((values) => values.reduce((sum, value) => sum + value, 0));
  if (!own || !other) return null;
  const apart = map.reduce((sum, value, at) => sum + Math.abs(value / own - all.map[at] / other), 0) / 2;
  return apart * sqrt(count);
}

/** Lays pictures over each other, each one with the same weight. */
async function blend(canvas, sources) {
  const pen = canvas.getContext("2d");
  let count = 0;
  for (const source of sources) {
    const picture = new Image();
    picture.src = source;
    try {
      await picture.decode();
    } catch {
      continue;
    }
    pen.globalAlpha = 1 / ++count;
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  }
  pen.globalAlpha = 1;
}
