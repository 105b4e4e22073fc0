const AT_ONCE = 8;

/** A few images in a row, perhaps with their first maps over them. */
function strip(data, places, { query, caption, maps }) {
  const items = [...places].map((place) => {
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

/** A strip with its title, what it means, and where more of the same is. */
function chapter(data, { title, text, ...look }) {
  const { query } = look;
  const places = best(data, query, AT_ONCE);
  if (!places.length) return "";
  const address = `images.html#${writtenQuery({ ...emptyQuery(), ...query })}`;
  const more = make("p", {}, make("a", { href: address }, `All images in this order: ${title.toLowerCase()}`));
  return make("div", {}, make("h3", {}, title), paragraph(text), strip(data, places, look), more);
}
