/** One image, chosen by the address: `#KEY&n=PLACE&from=LIST`. */
async function imagePage(data) {
  const body = make("div", {});
  const way = wayThrough();
  const update = async () => {
    const { place, query } = lookedFor(data.images, location.hash.slice(1));
    way.update(data, place, query);
    if (place < 0) {
      body.replaceChildren(paragraph("There is no such image in this report: choose one on the page of images."));
      return;
    }
    const known = await record(data, place);
    // Another image may have been asked for since.
    if (lookedFor(data.images, location.hash.slice(1)).place === place) body.replaceChildren(...imageParts(data, place, known, query));
  };
  addEventListener("hashchange", () => update().catch((error) => body.replaceChildren(problem(error))));
  await update();
  return [way.element, body];
}

/** Which image an address means; the place alone may be that of an older report. */
function lookedFor(images, text) {
  const [key, ...rest] = text.split("&");
  const told = new URLSearchParams(rest.join("&"));
  const place = Number(told.get("n") ?? -1);
  const query = parsedQuery(told.get("from") ?? "");
  const there = Number.isInteger(place) && place >= 0 && place < images.count && !images.state[place];
  if (there && keyOf(images, place) === key) return { place, query };
  return { place: placesOf(images, key)[0] ?? -1, query };
}

/** Links to the list and to the neighbours in it. */
function wayThrough() {
  const link = (text) => make("a", { class: "iv-button" }, text);
  const [list, before, after] = [link("Back to the list"), link("← Previous"), link("Next →")];
  const where = make("span", { role: "status" });
  let [known, places] = ["", []];
  const point = ({ images }, anchor, place, query) => {
    if (place === undefined) anchor.removeAttribute("href");
    else set(anchor, { href: addressOf(images, place, query) });
    set(anchor, { "aria-disabled": String(place === undefined) });
  };
  const update = (data, place, query) => {
    const written = writtenQuery(query);
    if (!places.length || written !== known) [known, places] = [written, selected(data, query)];
    const at = places.indexOf(place);
    set(list, { href: `images.html${written && "#"}${written}` });
    point(data, before, at < 0 ? undefined : places[at - 1], query);
    point(data, after, at < 0 ? undefined : places[at + 1], query);
    where.textContent = at < 0 ? "" : `${number(at + 1)} of ${number(places.length)}`;
  };
  return { element: make("nav", { class: "iv-line", "aria-label": "Images of the list" }, list, before, after, where), update };
}

function imageParts(data, place, known, query) {
  const { images } = data;
  const title = known.id.split("/").pop();
  const heading = document.querySelector("h1");
  if (heading) heading.textContent = title;
  document.title = `${title} - ${data.run.model}`;
  return [
    viewer(data, known, pictureOf(images, place)),
    section("What the model says", probabilities(data, images, place, known)),
    section("About this image", facts(data, images, place, known)),
    copies(data, place, query),
  ];
}
