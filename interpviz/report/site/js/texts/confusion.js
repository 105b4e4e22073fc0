const MOST_LABELS = 20;

/** What the file says against what the model says: as a matrix where labels are few. */
function textConfusion({ texts, run, summary }) {
  const known = summary.confusion.filter(([label]) => texts.classes[label] >= 0);
  if (!known.length) return "";
  const wrong = known.filter(([label, predicted]) => texts.classes[label] !== predicted);
  const list = (label, predicted, text) => make("a", { href: `texts.html#${writtenTextQuery({ ...emptyTextQuery(), label, predicted })}` }, text);
  const parts = [paragraph(`Of ${counted(summary.labelled, "text")} whose class the file names, the model named ${number(summary.right)} right.`)];
  if (texts.labels.length <= MOST_LABELS) parts.push(labelMatrix({ texts, run }, known, list));
  if (wrong.length) {
    const rows = wrong.slice(0, 12).map(([label, predicted, count]) => [texts.labels[label], className(run, predicted), list(label, predicted, counted(count, "text"))]);
    parts.push(make("h3", {}, "Taken for one another most often"));
    parts.push(table("Most frequent mistakes", ["The file says", "The model says", "How often"], rows));
  }
  return section("Right and wrong", ...parts);
}

/** One row a label, one column a class that the model named. */
function labelMatrix({ texts, run }, known, list) {
  const labels = [...new Set(known.map(([label]) => label))].sort((a, b) => a - b);
  const classes = [...new Set([...labels.map((label) => texts.classes[label]), ...known.map(([, predicted]) => predicted)])];
  const counts = new Map(known.map(([label, predicted, count]) => [`${label} ${predicted}`, count]));
  const body = labels.map((label) => {
    const total = known.reduce((sum, [own, , count]) => sum + (own === label ? count : 0), 0);
    const cells = classes.map((predicted) => {
      const count = counts.get(`${label} ${predicted}`);
      if (!count) return make("td", {}, "0");
      const kind = texts.classes[label] === predicted ? "iv-good" : "iv-bad";
      return make("td", { class: kind, style: `--strength:${round(12 + (count / total) * 48)}%` }, list(label, predicted, number(count)));
    });
    return make("tr", {}, make("th", { scope: "row", title: texts.labels[label] }, texts.labels[label]), ...cells);
  });
  const head = classes.map((predicted) => make("th", { scope: "col", title: className(run, predicted) }, className(run, predicted)));
  const whole = make("table", { class: "iv-matrix" }, make("thead", {}, make("tr", {}, make("td", {}, "file ↓ model →"), ...head)), make("tbody", {}, ...body));
  return make("div", { class: "iv-wide", role: "region", "aria-label": "Confusion matrix", tabindex: 0 }, whole);
}
