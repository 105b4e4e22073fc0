const DOES = { classifies: "tells classes apart", writes: "writes from left to right", reads: "reads" };

/** With what the report was made. */
function textAbout({ run, summary }) {
  const { options } = run;
  const lines = String(run.about).split("\n").filter(Boolean).join("; ");
  return [
    section(
      "Model",
      definitions([
        ["Model", run.model],
        ["What it does", DOES[run.does]],
        ["Classes", run.classes ? run.categories.join(", ") || number(run.classes) : undefined],
        ["Layers with attention", number(run.layers.length)],
        ["About the weights", lines],
        ["Digest of the weights", run.model_digest],
      ]),
    ),
    section(
      "Texts",
      definitions([
        ["Texts", `${number(summary.explained)} explained, ${number(summary.failed)} failed`],
        ["Most tokens of a text", number(options.max_tokens)],
        ["Layers whose weights are kept", run.shown.join(", ")],
      ]),
    ),
    ...makings(run),
  ];
}
