function figures({ summary, images, run }) {
  const kinds = new Set(images.predicted.filter((_, i) => !images.state[i])).size;
  const found = [
    [number(summary.explained), summary.explained === 1 ? "image explained" : "images explained", "images.html"],
    [number(kinds), `of ${counted(run.classes, "class", "classes")} named by the model`, "classes.html"],
  ];
  const wrong = summary.labelled - summary.right;
  if (summary.labelled) {
    found.unshift([percent(summary.right / summary.labelled), `right, of ${number(summary.labelled)} in folders that name a class`, "images.html#verdict=right"]);
    found.push([number(wrong), wrong === 1 ? "mistake" : "mistakes", "mistakes.html"]);
  }
  if (summary.failed) found.push([number(summary.failed), summary.failed === 1 ? "file that failed" : "files that failed", "failures.html"]);
  const items = found.map(([value, text, href]) => make("li", {}, make("a", { href }, make("b", {}, value), ` ${text}`)));
  return make("ul", { class: "iv-figures" }, ...items);
}

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
    caption: ({ images }, place) => `${percent(share(images.label_p, place))} for ${labelName(images.labels[images.label[place]])}`,
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
  const { images, summary } = data;
  if (!summary.explained) {
    const why = summary.failed ? "None of the files could be explained; the page on failed files says why." : "There are no images in this report.";
    return [figures(data), paragraph(why)];
  }
  const strange = STRANGE.filter(({ query }) => query.order === "confidence" || has(images[query.order]));
  return [
    figures(data),
    section("How sure the model was", paragraph("Each bar counts the images whose predicted class got that probability. Choose a bar to see its images."), histogram(data)),
    looking(data),
    section("Strange images", ...strange.map((kind) => chapter(data, kind))),
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
