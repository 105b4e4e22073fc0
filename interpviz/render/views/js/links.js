/** The height of a token, as in the style sheet. */
const ROW = 24;

/**
 * Both columns of tokens and the links between them.
 * @param {AttentionState} state
 * @param {AttentionActions} actions
 * @param {Theme} theme
 */
function linksPart(state, actions, theme) {
  const canvas = make("canvas", {});
  const from = tokenColumn(state, actions, "query");
  const to = tokenColumn(state, actions, "key");
  const scroll = make("div", { class: "scroll" }, canvas, from.element, to.element);
  const names = make("p", { class: "names" }, make("span", {}, "This token …"), make("span", {}, "… looks at"));
  let kept = state.kept;
  const mark = () => {
    from.mark();
    to.mark();
    // Chosen in the heat map, a token may lie far up or down here.
    const top = (state.kept.query < 0 ? state.kept.key : state.kept.query) * ROW;
    const hidden = top < scroll.scrollTop || top + ROW > scroll.scrollTop + scroll.clientHeight;
    if (kept !== state.kept && hidden && top >= 0) scroll.scrollTop = top - scroll.clientHeight / 2;
    kept = state.kept;
    drawLinks(canvas, scroll, state, theme);
  };
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    const column = { ArrowRight: to, ArrowLeft: from }[event.key];
    if (!column || !isPlain(event)) return;
    event.preventDefault();
    column.focus(max(state.kept.query, state.kept.key));
  };
  set(scroll, { onscroll: perFrame(mark), onkeydown });
  const draw = () => {
    from.draw();
    to.draw();
    scroll.style.setProperty("--rows", String(max(state.queries.length, state.keys.length)));
  };
  return { element: make("div", {}, names, scroll), scroll, draw, mark, resize: mark };
}

/**
 * How the links look in the window that scrolls.
 * @param {AttentionState} state
 * @param {HTMLElement} scroll
 */
function linkShapes(state, { clientWidth: width, clientHeight: height, scrollTop }) {
  const { query, key } = state.at;
  const left = columnWidth(width);
  const right = width - left;
  const free = query < 0 && key < 0;
  const first = floor(scrollTop / ROW);
  const seen = state.queries.slice(first, first + ceil(height / ROW) + 1);
  const links = free ? seen.flatMap((_, i) => linksOf(state, { query: first + i, key })) : linksOf(state, state.at);
  return links.reverse().map((link) => {
    const strength = share(link.weight, state.grids[link.slot]?.top ?? 1, state.log);
    const [y0, y1] = [link.query, link.key].map((place) => (place + 0.5) * ROW - scrollTop + link.slot * 2);
    const middle = width / 2;
    const d = `M${left} ${y0}C${middle} ${y0} ${middle} ${y1} ${right} ${y1}`;
    const dim = free ? 0.6 : query >= 0 && key >= 0 && link.key !== key ? 0.3 : 1;
    return { d, slot: link.slot, "stroke-width": 0.8 + 4.2 * strength, "stroke-opacity": (0.18 + 0.82 * strength) * dim };
  });
}

/** @param {number} width */
function columnWidth(width) {
  return round(width * 0.36);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLElement} scroll
 * @param {AttentionState} state
 * @param {Theme} theme
 */
function drawLinks(canvas, scroll, state, theme) {
  const { clientWidth, clientHeight } = scroll;
  const pen = cleared(canvas, clientWidth, clientHeight);
  canvas.style.marginBottom = `${-clientHeight}px`;
  for (const link of linkShapes(state, scroll)) {
    pen.globalAlpha = link["stroke-opacity"];
    pen.lineWidth = link["stroke-width"];
    pen.strokeStyle = theme.colour(`--head${link.slot}`);
    pen.stroke(new Path2D(link.d));
  }
  pen.globalAlpha = 1;
  drawBars(pen, scroll, state, theme);
}

/**
 * Bars under the tokens at the other end of the links, as long as their weights are great.
 * @param {CanvasRenderingContext2D} pen
 * @param {HTMLElement} scroll
 * @param {AttentionState} state
 * @param {Theme} theme
 */
function drawBars(pen, { clientWidth: width, clientHeight: height, scrollTop }, state, theme) {
  const { query, key } = state.at;
  const grid = mainGrid(state);
  if (!grid || (query < 0 && key < 0)) return;
  pen.fillStyle = theme.colour(`--head${state.slots.indexOf(state.head)}`);
  const first = floor(scrollTop / ROW);
  const last = min(query < 0 ? grid.rows : grid.columns, first + ceil(height / ROW) + 1);
  const side = columnWidth(width) - 14;
  for (let i = first; i < last; i++) {
    const weight = grid.values[query < 0 ? i * grid.columns + key : query * grid.columns + i];
    const length = side * share(weight, grid.top, state.log);
    pen.fillRect(query < 0 ? side + 6 - length : width - side - 6, (i + 1) * ROW - 4 - scrollTop, length, 3);
  }
}
