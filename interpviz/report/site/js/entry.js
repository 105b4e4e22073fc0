/** One entry, chosen by the address: `#KEY&n=PLACE&from=LIST`. */
async function entryPage(data) {
  const body = make("div", {});
  const way = wayThrough();
  const update = async () => {
    const { place, query } = lookedFor(data.entries);
    way.update(data, place, query);
    if (place < 0) {
      body.replaceChildren(paragraph(`There is no such ${KIND.one} in this report: choose one on the page of ${KIND.one}s.`));
      return;
    }
    const known = await KIND.known(data, place);
    // Another one may have been asked for since.
    if (lookedFor(data.entries).place !== place) return;
    entitle(KIND.titleOf(known), data.run);
    body.replaceChildren(...KIND.parts(data, place, known), copies(data, place, query));
  };
  addEventListener("hashchange", () => update().catch((error) => body.replaceChildren(problem(error))));
  await update();
  return [way.element, body];
}

/** Which entry the address means; the place alone may be that of an older report. */
function lookedFor(entries) {
  const [key, ...rest] = location.hash.slice(1).split("&");
  const told = new URLSearchParams(rest.join("&"));
  const place = Number(told.get("n") ?? -1);
  const places = placesOf(entries, key);
  return { place: places.includes(place) ? place : (places[0] ?? -1), query: parsedQuery(told.get("from") ?? "") };
}

function entitle(title, run) {
  const heading = document.querySelector("h1");
  if (heading) heading.textContent = title;
  document.title = `${title} - ${run.model}`;
}

/** Links to the list and to the neighbours in it. */
function wayThrough() {
  const link = (text) => make("a", { class: "iv-button" }, text);
  const [list, before, after] = [link("Back to the list"), link("← Previous"), link("Next →")];
  const where = make("span", { role: "status" });
  let [known, places] = ["", []];
  const point = ({ entries }, anchor, place, query) => {
    if (place === undefined) anchor.removeAttribute("href");
    else set(anchor, { href: addressOf(entries, place, query) });
    set(anchor, { "aria-disabled": String(place === undefined) });
  };
  const update = (data, place, query) => {
    const written = writtenQuery(query);
    if (!places.length || written !== known) [known, places] = [written, selected(data, query)];
    const at = places.indexOf(place);
    set(list, { href: listOf(query) });
    point(data, before, at < 0 ? undefined : places[at - 1], query);
    point(data, after, at < 0 ? undefined : places[at + 1], query);
    where.textContent = at < 0 ? "" : `${number(at + 1)} of ${number(places.length)}`;
  };
  return { element: make("nav", { class: "iv-line", "aria-label": `${titled(KIND.one)}s of the list` }, list, before, after, where), update };
}

/** The most probable classes, with bars. */
function probabilities({ run, entries }, place, { top }) {
  const own = entries.label[place] < 0 ? -1 : entries.classes[entries.label[place]];
  const items = top.map(([index, probability]) => {
    const bar = make("i", { "aria-hidden": "true", style: `width:${probability * 100}%` });
    const name = index === own ? `${className(run, index)} (the ${KIND.own}'s)` : className(run, index);
    return make("li", {}, make("span", {}, name), make("b", {}, percent(probability)), make("span", { class: "iv-track" }, bar));
  });
  return make("ol", { class: "iv-top" }, ...items);
}

/** Other entries of the same content. */
function copies({ entries }, place, query) {
  const others = placesOf(entries, keyOf(entries, place)).filter((other) => other !== place);
  if (!others.length) return "";
  const links = others.slice(0, 20).map((other) => {
    const label = entries.label[other] < 0 ? "" : ` (${KIND.nameOf(entries.labels[entries.label[other]])})`;
    return make("li", {}, make("a", { href: addressOf(entries, other, query) }, `${KIND.one} ${number(other + 1)}${label}`));
  });
  return section(`The same ${KIND.one} again`, make("ul", {}, ...links));
}
