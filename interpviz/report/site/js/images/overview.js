const STRANGE = [
  {
    title: "Least sure",
    text: "The model's own first choice got little probability: nothing that it knows, several things at once, or a poor picture.",
    query: { order: "confidence" },
  },
  {
    title: "Furthest from their class",
    text: "The class of the folder got next to nothing: the worst mistakes, or pictures in a wrong folder.",
    query: { order: "label_p", verdict: "wrong" },
    caption: ({ entries }, place) => `${measured(entries, "label_p", place)} for ${labelName(entries.labels[entries.label[place]])}`,
  },
  {
    title: "Widest maps",
    text: "The heat map covers much of the picture, so no part of it stands out: the model may go by texture or by the whole scene. Below each picture stands how much of it holds half of the map.",
    query: { order: "spread", down: true },
    caption: valueLine("spread"),
    maps: true,
  },
  {
    title: "Outside of the object",
    text: "Most of the heat map lies outside of the object's mask: the model may go by what is around the object.",
    query: { order: "outside", down: true },
    caption: valueLine("outside"),
    maps: true,
  },
];

function overview(data) {
  const { entries, summary, run } = data;
  const kinds = new Set(entries.predicted.filter((_, i) => !entries.state[i])).size;
  const numbers = figures(data, [[number(kinds), `of ${counted(run.classes, "class", "classes")} named by the model`, "classes.html"]]);
  if (!summary.explained) return [numbers, emptiness(summary)];
  const bars = "Each bar counts the images whose predicted class got that probability. Choose a bar to see its images.";
  return [
    numbers,
    section("How sure the model was", paragraph(bars), histogram(data, "confidence")),
    looking(data),
    section("Strange images", ...STRANGE.map((kind) => chapter(data, kind))),
    confusion(data),
    reading(),
  ];
}

/** Where the model looks on the whole. */
function looking(data) {
  const classes = averages(data);
  if (!classes.length) return "";
  const { map, grid, count } = overall(classes);
  const text = `A heat map is bright where a picture spoke for the class that the model named. This is the average of ${counted(count, "image")}: bright where the model mostly looks. Bright corners and edges deserve a look at `;
  const told = make("div", {}, make("p", {}, text, make("a", { href: "classes.html" }, "the map of each class"), "."), legend());
  return section("Where the model looks", make("div", { class: "iv-all" }, heat(map, grid, [SIDE, SIDE], "Average heat map of all images"), told));
}

function reading() {
  const terms = [
    ["Confidence", "the probability that the model gave to the class it named."],
    ["Heat map", "bright where the picture spoke for a class, dark where it did not. It tells what the model used, not what is right."],
    ["Spread", "the share of the picture that holds half of the heat map. A few percent mean one spot, a third or more means everywhere."],
    ["Right", "the model named the class that the image's folder is called after."],
  ];
  return section("How to read these pages", definitions(terms));
}
