const LARGEST_MATRIX = 20;

/** What folders were taken for: as a matrix where classes are few, and the most frequent pairs. */
function confusion(data) {
  const { images, run, summary } = data;
  const known = summary.confusion.filter(([label]) => images.classes[label] >= 0);
  const wrong = known.filter(([label, predicted]) => images.classes[label] !== predicted);
  const parts = [];
  if (images.labels.length <= LARGEST_MATRIX && known.length) parts.push(matrix(data, known));
  if (wrong.length) {
    const rows = wrong.slice(0, 12).map(([label, predicted, count]) => [
      labelName(images.labels[label]),
      className(run, predicted),
      make("a", { href: `images.html#${writtenQuery({ ...emptyQuery(), label, predicted })}` }, counted(count, "image")),
    ]);
    parts.push(make("h3", {}, "Taken for one another most often"));
    parts.push(table("Most frequent mistakes", ["The folder says", "The model says", "How often"], rows));
  }
  return parts.length ? section("Right and wrong", paragraph(verdictText(summary)), ...parts) : "";
}

function verdictText({ labelled, right, explained }) {
  const told = labelled < explained ? ` The other ${number(explained - labelled)} are in no folder that names a class of the model.` : "";
  return `Of ${counted(labelled, "image")} in folders that name a class, the model named ${number(right)} right.${told}`;
}

/** One row a folder, one column a class that the model named. */
function matrix({ images, run }, known) {
  const rows = images.labels.map((_, label) => label).filter((label) => images.classes[label] >= 0);
  const own = rows.map((label) => images.classes[label]);
  const totals = new Map(rows.map((label) => [label, 0]));
  const counts = new Map();
  let others = false;
  for (const [label, predicted, count] of known) {
    const column = own.includes(predicted) ? predicted : -1;
    others ||= column < 0;
    totals.set(label, totals.get(label) + count);
    counts.set(`${label} ${column}`, (counts.get(`${label} ${column}`) ?? 0) + count);
  }
  const columns = others ? [...own, -1] : own;
  const name = (column) => (column < 0 ? "another" : className(run, column));
  const head = columns.map((column) => make("th", { scope: "col", title: name(column) }, name(column)));
  const body = rows.map((label) => {
    const cells = columns.map((column) => cell(label, column, counts.get(`${label} ${column}`) ?? 0, totals.get(label), images));
    return make("tr", {}, make("th", { scope: "row", title: labelName(images.labels[label]) }, labelName(images.labels[label])), ...cells);
  });
  const corner = make("td", {}, "folder ↓ model →");
  const whole = make("table", { class: "iv-matrix" }, make("thead", {}, make("tr", {}, corner, ...head)), make("tbody", {}, ...body));
  return make("div", { class: "iv-wide", role: "region", "aria-label": "Confusion matrix", tabindex: 0 }, whole);
}

function cell(label, predicted, count, total, images) {
  const good = images.classes[label] === predicted;
  if (!count) return make("td", {}, "0");
  const strength = round(12 + (count / total) * 48);
  const text = predicted < 0 ? number(count) : make("a", { href: `images.html#${writtenQuery({ ...emptyQuery(), label, predicted })}` }, number(count));
  return make("td", { class: good ? "iv-good" : "iv-bad", style: `--strength:${strength}%` }, text);
}
