/** A few images in a row, perhaps with their first maps over them. */
function strip(data, places, query, { caption, maps }) {
  const items = places.map((place) => {
    const item = tile(data, place, query, caption);
    if (maps) whenNear(item, () => cover(data, place, item).catch((error) => item.append(problem(error))));
    return make("li", {}, item);
  });
  return make("ul", { class: "iv-strip" }, ...items);
}

/** Lays the first map of an image over its picture. */
async function cover(data, place, item) {
  const known = await record(data, place);
  const [width, height] = known.view;
  const [{ map, grid }] = mapsOf(data, known);
  const canvas = make("canvas", { width, height, "aria-hidden": "true" });
  paint(canvas, map, grid);
  const picture = item.querySelector("img");
  const stage = make("span", { class: "iv-stage" }, canvas);
  picture.replaceWith(stage);
  stage.prepend(picture);
}
