/**
 * All weights of a head as a table of colours.
 * @param {AttentionState} state
 * @param {AttentionActions} actions
 * @param {Theme} theme
 */
function heatmapPart(state, actions, theme) {
  const [map, cross] = [make("canvas", {}), make("canvas", {})];
  const label = "Heat map of all weights. Arrow keys move from cell to cell.";
  const box = make("div", { class: "map", tabindex: 0, role: "application", "aria-label": label }, map, cross);
  const [low, high] = [make("span", {}), make("span", {})];
  const legend = make("p", { class: "legend" }, low, make("i", {}), high);
  let frame = mapFrame(state, 0);
  const mark = () => drawCross(cleared(cross, frame.width, frame.height), frame, state.at, theme);
  const draw = () => {
    const top = mainGrid(state)?.top ?? 0;
    frame = mapFrame(state, box.clientWidth);
    box.style.height = `${frame.height}px`;
    drawMap(cleared(map, frame.width, frame.height), frame, state, theme);
    low.textContent = state.log ? (top / 1000).toPrecision(1) : "0";
    high.textContent = `${digits(top)}${layerOf(state).offset === 0 ? " and more" : ""}`;
  };
  const spot = (/** @type {PointerEvent} */ event) => {
    const { left, top } = box.getBoundingClientRect();
    const key = floor((event.clientX - left - frame.left) / frame.x);
    const query = floor((event.clientY - top - frame.left) / frame.y);
    return key >= 0 && query >= 0 && key < frame.columns && query < frame.rows ? { query, key } : undefined;
  };
  probed(box, actions, spot, ({ key }) => stepped(key, state.kept, frame));
  const name = make("p", { class: "names" }, "All weights of this head: rows look at columns");
  const resize = () => {
    draw();
    mark();
  };
  return { element: make("div", {}, name, box, legend), draw, mark, resize, map };
}

/**
 * The cell that a key leads to.
 * @param {string} key
 * @param {Spot} from
 * @param {{rows: number, columns: number}} size
 */
function stepped(key, from, { rows, columns }) {
  /** @type {Record<string, [number, number]>} */
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -Infinity], End: [0, Infinity] };
  const step = steps[key];
  return step && { query: clamp(max(from.query, 0) + step[0], 0, rows - 1), key: clamp(max(from.key, 0) + step[1], 0, columns - 1) };
}

/**
 * Where the cells lie.
 * @param {AttentionState} state
 * @param {number} width
 */
function mapFrame(state, width) {
  const [rows, columns] = [state.queries.length || 1, state.keys.length || 1];
  const left = min((width - 72) / columns, 500 / rows) < 10 ? 1 : 70;
  let x = min((width - left - 2) / columns, 32);
  let y = min((560 - left) / rows, max(x, min(120 / rows, 24)));
  if (rows === columns) x = y = max(min(x, y), 0);
  return { rows, columns, left, x, y, width: left + x * columns + 2, height: left + y * rows + 2 };
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {ReturnType<typeof mapFrame>} frame
 * @param {AttentionState} state
 * @param {Theme} theme
 */
function drawMap(pen, frame, state, theme) {
  const grid = mainGrid(state);
  if (!grid?.values.length) return;
  const { rows, columns, left, x, y } = frame;
  const image = gridPicture(grid, pen.canvas.width, pen.canvas.height, state.log, rampOf(theme));
  pen.imageSmoothingEnabled = false;
  pen.drawImage(image, left, left, x * columns, y * rows);
  if (left < 70) return;
  pen.fillStyle = theme.colour("--ink");
  pen.font = `${clamp(min(x, y) - 1, 9, 12)}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  words(state, "queries").forEach((word, row) => pen.fillText(fitted(word), left - 5, left + (row + 0.5) * y));
  pen.textAlign = "left";
  pen.rotate(-Math.PI / 2);
  words(state, "keys").forEach((word, column) => pen.fillText(fitted(word), 5 - left, left + (column + 0.5) * x));
}

/** @param {string} word */
function fitted(word) {
  return word.length > 10 ? `${word.slice(0, 9)}…` : word;
}

/**
 * A grid as a small picture; where there are more cells than pixels, the greatest of each pixel.
 * @param {Grid} grid
 * @param {number} width
 * @param {number} height
 * @param {boolean} log
 * @param {Uint32Array} ramp
 */
function gridPicture({ rows, columns, values, top }, width, height, log, ramp) {
  const [w, h] = [min(columns, width), min(rows, height)];
  const levels = new Uint8Array(w * h);
  values.forEach((weight, i) => {
    const row = floor(i / columns);
    const place = floor((row * h) / rows) * w + floor(((i - row * columns) * w) / columns);
    levels[place] = max(levels[place], round(255 * share(weight, top, log)));
  });
  return picture(levels, w, h, ramp);
}

/**
 * Frames the row, the column or the cell that is looked at.
 * @param {CanvasRenderingContext2D} pen
 * @param {ReturnType<typeof mapFrame>} frame
 * @param {Spot} at
 * @param {Theme} theme
 */
function drawCross(pen, { left, x, y, rows, columns }, { query, key }, theme) {
  const [right, below] = [left + key * x, left + query * y];
  pen.strokeStyle = theme.colour("--mark");
  pen.lineWidth = 2;
  if (query >= 0 && key >= 0) {
    pen.strokeRect(right - 1, below - 1, max(x, 3) + 2, max(y, 3) + 2);
    pen.globalAlpha = 0.4;
  }
  if (query >= 0) pen.strokeRect(left, below, x * columns, y);
  if (key >= 0) pen.strokeRect(right, left, x, y * rows);
}
