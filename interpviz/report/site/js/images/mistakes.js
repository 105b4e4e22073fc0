/** What the model named otherwise than the folder, the worst first. */
function mistakesPage(data) {
  const { summary, entries } = data;
  if (!summary.labelled) {
    return [paragraph("No image lies in a folder that is called after one of the model's classes, so what is right cannot be told.")];
  }
  const query = { verdict: "wrong", order: "regret", down: true };
  const places = selected(data, { ...emptyQuery(), ...query });
  if (!places.length) return [paragraph(`There are none: all of ${counted(summary.labelled, "image")} were named right.`)];
  const grid = new Grid(data);
  grid.caption = mistakeLine;
  queueMicrotask(() => grid.show(places, query));
  const told = `${counted(places.length, "mistake")} in ${counted(summary.labelled, "image")} whose folder names a class.`;
  const more = make("a", { href: listOf(query) }, "Filter them");
  return [make("p", { class: "iv-count" }, `${told} `, more), grid.element, entries.labels.length > LARGEST_MATRIX ? confusion(data) : ""];
}

function mistakeLine({ entries }, place) {
  return `✗ ${labelName(entries.labels[entries.label[place]])} got ${measured(entries, "label_p", place)}`;
}
