const LARGEST_MATRIX = 20;

/** What labels were taken for: as a matrix where they are few, and the most frequent pairs. */
function confusion(data) {
  const { entries, run, summary } = data;
  const known = summary.confusion.filter(([label]) => entries.classes[label] >= 0);
  if (!known.length) return "";
  const wrong = known.filter(([label, predicted]) => entries.classes[label] !== predicted);
  const parts = [paragraph(verdictText(summary))];
  if (entries.labels.length <= LARGEST_MATRIX) parts.push(matrix(data, known));
  if (wrong.length) {
    const rows = wrong.slice(0, 12).map(([label, predicted, count]) => [
      KIND.nameOf(entries.labels[label]),
      className(run, predicted),
      make("a", { href: listOf({ label, predicted }) }, counted(count, KIND.one)),
    ]);
    parts.push(make("h3", {}, "Taken for one another most often"));
    parts.push(table("Most frequent mistakes", [`The ${KIND.own} says`, "The model says", "How often"], rows));
  }
  return section("Right and wrong", ...parts);
}

function verdictText({ labelled, right, explained }) {
  const others = labelled < explained ? ` ${KIND.others(explained - labelled)}` : "";
  return `Of ${counted(labelled, KIND.one)} ${KIND.labelled}, the model named ${number(right)} right.${others}`;
}

/** One row a label, one column a class; classes of no label share one where they are many. */
function matrix({ entries, run }, known) {
  const rows = entries.labels.map((_, label) => label).filter((label) => entries.classes[label] >= 0);
  const own = [...new Set(rows.map((label) => entries.classes[label]))];
  const all = [...new Set([...own, ...known.map(([, predicted]) => predicted)])];
  const columns = all.length <= LARGEST_MATRIX ? all : [...own, -1];
  const totals = new Map(rows.map((label) => [label, 0]));
  const counts = new Map();
  for (const [label, predicted, count] of known) {
    const key = `${label} ${columns.includes(predicted) ? predicted : -1}`;
    totals.set(label, totals.get(label) + count);
    counts.set(key, (counts.get(key) ?? 0) + count);
  }
  const heading = (scope, text) => make("th", { scope, title: text }, text);
  const head = columns.map((column) => heading("col", column < 0 ? "another" : className(run, column)));
  const body = rows.map((label) => {
    const cells = columns.map((column) => cell(label, column, counts.get(`${label} ${column}`) ?? 0, totals.get(label), entries));
    return make("tr", {}, heading("row", KIND.nameOf(entries.labels[label])), ...cells);
  });
  return matrixBox("Confusion matrix", "iv-matrix", `${KIND.own} ↓ model →`, head, body);
}

/** A table with names on two sides, in a box that scrolls sideways where the page is narrow. */
function matrixBox(name, look, corner, head, body) {
  const top = make("thead", {}, make("tr", {}, make("td", {}, corner), ...head));
  const whole = make("table", { class: look }, top, make("tbody", {}, ...body));
  return make("div", { class: "iv-wide", role: "region", "aria-label": name, tabindex: 0 }, whole);
}

function cell(label, predicted, count, total, entries) {
  if (!count) return make("td", {}, "0");
  const look = entries.classes[label] === predicted ? "iv-good" : "iv-bad";
  const strength = round(12 + (count / total) * 48);
  const text = predicted < 0 ? number(count) : make("a", { href: listOf({ label, predicted }) }, number(count));
  return make("td", { class: look, style: `--strength:${strength}%` }, text);
}
