const HEAD_COLUMNS = {
  entropy: { title: "Width", text: "0 where a head looks at one token, 1 where it looks at all tokens alike." },
  distance: { title: "Distance, in tokens", text: "How far away the tokens are that a head looks at." },
  sink: { title: "To the first token", text: "The share of a head's attention that goes to the first token. Heads rest there when they have nothing to do." },
  special: { title: "To special tokens", text: "The share that goes to tokens that the tokenizer added, such as [SEP]. Heads rest there, too." },
  previous: { title: "To the token before", text: "The share that goes to the neighbour on the left." },
  next: { title: "To the token behind", text: "The share that goes to the neighbour on the right." },
};

/** The numbers of all heads of a column: a row a layer. */
function headRows({ columns, heads, layers }, numbers, name) {
  const column = columns.indexOf(name);
  return layers.map((_, layer) => numbers.subarray((layer * columns.length + column) * heads, (layer * columns.length + column + 1) * heads));
}

/** What each head does, one number at a time; the reader chooses which. */
function headTables(run, packed) {
  const numbers = new Float32Array(bytes(packed).buffer);
  const known = run.columns.filter((name) => headRows(run, numbers, name).some((row) => row.some(Number.isFinite)));
  if (!known.length) return paragraph("There are no numbers of heads: no text has two tokens.");
  const [box, about] = [make("div", {}), make("p", { role: "status" })];
  const show = (name) => {
    about.textContent = HEAD_COLUMNS[name].text;
    box.replaceChildren(headTable(headRows(run, numbers, name), name));
  };
  show(known[0]);
  const chooser = choice("What to show", known.map((name) => [name, HEAD_COLUMNS[name].title]), known[0], show);
  return make("div", {}, make("div", { class: "iv-filters" }, chooser), about, box);
}

function headTable(rows, name) {
  const top = name === "distance" ? max(1, ...rows.flatMap((row) => [...row].filter(Number.isFinite))) : 1;
  const digits = name === "distance" ? 1 : 2;
  const head = [...rows[0]].map((_, at) => make("th", { scope: "col" }, String(at)));
  const body = rows.map((row, layer) => {
    const cells = [...row].map((value) => {
      if (!Number.isFinite(value)) return make("td", {}, "–");
      return make("td", { class: "iv-good", style: `--strength:${round((value / top) * 45)}%` }, value.toFixed(digits));
    });
    return make("tr", {}, make("th", { scope: "row" }, String(layer)), ...cells);
  });
  return matrixBox(`Heads: ${HEAD_COLUMNS[name].title}`, "iv-matrix iv-heads", "layer ↓ head →", head, body);
}

/** The mean of all texts. */
function headsPage({ run, summary }) {
  if (!summary.explained) return [paragraph("There are no heads to show: no text could be explained.")];
  const told = `The mean of ${counted(summary.explained, "text")}, each of which counts alike.`;
  return [paragraph(told), headTables(run, summary.heads), section("Names of the layers", table("Layers", ["Layer", "Name"], run.layers.map((name, at) => [String(at), name])))];
}
