/** What is known of one image, but for its maps. */
function facts({ run }, images, place, known) {
  const own = known.label === undefined ? undefined : labelName(known.label);
  const verdict = [undefined, "yes", "no"][images.verdict[place]];
  return definitions([
    ["File", known.id],
    ["The folder says", own],
    ["The model says", className(run, known.top[0][0])],
    ["Right", verdict],
    ["Probability of the folder's class", known.label_p === undefined ? undefined : percent(known.label_p)],
    ["Size of the file", `${known.size[0]} × ${known.size[1]}`],
    ["Seen by the model as", `${known.view[0]} × ${known.view[1]}`],
    ["To read it", (known.notes ?? []).join(", ")],
  ]);
}

/** The most probable classes, with bars. */
function probabilities({ run }, images, place, known) {
  const own = images.label[place] < 0 ? -1 : images.classes[images.label[place]];
  const items = known.top.map(([index, probability]) => {
    const bar = make("i", { "aria-hidden": "true", style: `width:${probability * 100}%` });
    const name = index === own ? `${className(run, index)} (the folder's)` : className(run, index);
    return make("li", {}, make("span", {}, name), make("b", {}, percent(probability)), make("span", { class: "iv-track" }, bar));
  });
  return make("ol", { class: "iv-top" }, ...items);
}

/** Other images of the same content. */
function copies(data, place, query) {
  const { images } = data;
  const others = placesOf(images, keyOf(images, place)).filter((other) => other !== place);
  if (!others.length) return "";
  const links = others.slice(0, 20).map((other) => {
    const label = images.label[other] < 0 ? "" : ` in ${labelName(images.labels[images.label[other]])}`;
    return make("li", {}, make("a", { href: addressOf(images, other, query) }, `image ${other + 1}${label}`));
  });
  return section("The same picture again", make("ul", {}, ...links));
}
