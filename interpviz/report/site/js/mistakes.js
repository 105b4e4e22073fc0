/** What the model named otherwise than the folder, the worst first. */
function mistakesPage(data) {
  const { summary, images } = data;
  if (!summary.labelled) {
    return [paragraph("No image lies in a folder that is called after one of the model's classes, so what is right cannot be told.")];
  }
  const query = { ...emptyQuery(), verdict: "wrong", order: "regret", down: true };
  const places = selected(data, query);
  if (!places.length) return [paragraph(`There are none: all of ${counted(summary.labelled, "image")} were named right.`)];
  const grid = new Grid(data, { caption: mistakeLine });
  queueMicrotask(() => grid.show(places, query));
  const told = `${counted(places.length, "mistake")} in ${counted(summary.labelled, "image")} whose folder names a class.`;
  const more = make("a", { href: `images.html#${writtenQuery(query)}` }, "Filter them");
  return [make("p", { class: "iv-count" }, `${told} `, more), grid.element, images.labels.length > LARGEST_MATRIX ? confusion(data) : ""];
}

function mistakeLine({ images }, place) {
  return `✗ ${labelName(images.labels[images.label[place]])} got ${percent(share(images.label_p, place))}`;
}
