/** With what the report was made. */
function aboutPage({ run, summary }) {
  const { options } = run;
  return [
    section("Model", definitions([["Model", run.model], ["Classes", number(run.classes)], ...linesOf(run.about), ["Digest of the weights", run.model_digest]])),
    section(
      "Maps",
      definitions([
        ["Methods", run.methods.map(({ name }) => methodName(name)).join(", ")],
        ["Layer", options.layer ?? "found by the model's kind"],
        ["Classes explained in each image", number(options.top)],
        ["Images", `${number(summary.explained)} explained, ${number(summary.failed)} failed`],
      ]),
    ),
    ...makings(run),
  ];
}

/** What is known of the weights, whose lines begin with what they are about where they do. */
function linesOf(about) {
  const lines = (Array.isArray(about) ? about : String(about ?? "").split("\n")).filter(Boolean);
  return lines.map((line) => {
    const found = /^([A-Z][a-z ]{1,20}): (.*)$/.exec(line);
    return found ? [found[1], found[2]] : ["About the weights", line];
  });
}
