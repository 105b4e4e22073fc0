/**
 * What is seen of a head, as a drawing.
 * @param {AttentionState} state
 * @param {Theme} theme
 * @param {HTMLElement} scroll
 * @param {HTMLCanvasElement} map
 */
function attentionSvg(state, theme, scroll, map) {
  const { clientWidth: width, clientHeight: height } = scroll;
  const [mapWidth, mapHeight] = [map.clientWidth, map.clientHeight];
  const [wide, high] = [width + mapWidth + 72, max(height, mapHeight) + 72];
  const links = linkShapes(state, scroll).map(({ slot, ...link }) => shape("path", { ...link, fill: "none", stroke: theme.colour(`--head${slot}`) }));
  const { number, heads } = layerOf(state);
  const title = `${state.data.title}: layer ${number}, head ${heads[state.head]}`;
  const place = { x: 24, y: 48, width, height };
  return sheet(
    theme, title, wide, high,
    shape("svg", place, ...links, ...tokenTexts(state, "queries", scroll, theme), ...tokenTexts(state, "keys", scroll, theme)),
    shape("image", { x: width + 48, y: 48, width: mapWidth, height: mapHeight, href: map.toDataURL() }),
  );
}

/**
 * The tokens in the window that scrolls.
 * @param {AttentionState} state
 * @param {"queries" | "keys"} side
 * @param {HTMLElement} scroll
 * @param {Theme} theme
 */
function tokenTexts(state, side, { clientWidth: width, clientHeight: height, scrollTop }, theme) {
  const edge = columnWidth(width) - 8;
  const place = side === "keys" ? { x: width - edge, "text-anchor": "start" } : { x: edge, "text-anchor": "end" };
  return words(state, side).flatMap((word, row) => {
    const y = (row + 0.5) * ROW - scrollTop;
    return y < 0 || y > height ? [] : [inked(theme, { ...place, y, "dominant-baseline": "central" }, word)];
  });
}
