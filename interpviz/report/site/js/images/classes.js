const CLASS_ORDERS = {
  // Classes that cannot be compared come last.
  strange: ["most unlike the other classes", (a, b) => (b.strange ?? -1) - (a.strange ?? -1)],
  wrong: ["share of mistakes", (a, b) => b.wrong / (b.told || 1) - a.wrong / (a.told || 1)],
  count: ["number of images", (a, b) => b.count - a.count],
  name: ["name", (a, b) => a.name.localeCompare(b.name)],
};

/** Where the model looks for each class that it named. */
function classesPage(data) {
  const classes = averages(data);
  if (!classes.length) return [paragraph("There are no heat maps in this report.")];
  const all = overall(classes);
  for (const one of classes) one.strange = strangeness(one, all);
  const cards = new Map(classes.map((one) => [one, classCard(data, one)]));
  const list = make("ul", { class: "iv-classes" });
  const order = (key) => {
    const sorted = [...classes].sort((a, b) => CLASS_ORDERS[key][1](a, b) || b.count - a.count || a.index - b.index);
    list.replaceChildren(...sorted.map((one) => cards.get(one)));
  };
  order("strange");
  const labelled = classes.some(({ told: any }) => any);
  const orders = Object.entries(CLASS_ORDERS).filter(([key]) => labelled || key !== "wrong");
  const chooser = choice("Order", orders.map(([key, [text]]) => [key, text]), "strange", order);
  return [
    make("div", { class: "iv-all" }, heat(all.map, all.grid, [SIDE, SIDE], "Average heat map of all images"), allText(all)),
    make("form", { class: "iv-filters", "aria-label": "Order of the classes", onsubmit: (event) => event.preventDefault() }, chooser),
    list,
  ];
}

function allText({ count }) {
  const text = `The average heat map of ${counted(count, "image")}. Photos mostly show their object in the middle, so a bright middle is usual; bright corners and edges are not.`;
  return make("div", {}, make("h2", {}, "All classes"), paragraph(text), legend());
}

/** One class; its pictures are drawn when it comes into sight. */
function classCard(data, one) {
  const query = { predicted: one.index };
  const [map, blended] = [make("div", { class: "iv-pane" }), make("div", { class: "iv-pane" })];
  const wrong = one.wrong ? `, ${number(one.wrong)} of them wrong` : "";
  const link = make("a", { href: listOf(query) }, `${counted(one.count, "image")}${wrong}`);
  const card = make("li", {}, make("h3", {}, one.name), make("div", { class: "iv-pair" }, map, blended), make("p", {}, link));
  whenNear(card, () => {
    map.append(heat(one.map, one.grid, [SIDE, SIDE], `Average heat map of ${one.name}`));
    const places = [...selected(data, { ...emptyQuery(), ...query }).subarray(0, BLENDED)];
    const name = places.length === 1 ? `The one picture named ${one.name}` : `${number(places.length)} pictures named ${one.name}, laid over each other`;
    const canvas = make("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": name });
    blended.append(canvas);
    blend(canvas, places.map((place) => pictureOf(data.entries, place)));
  });
  return card;
}
