const ORDER_LINES = { spread: valueLine("spread"), outside: valueLine("outside"), label_p: valueLine("label_p") };

/** All images, chosen and ordered by what the address says. */
function imagesPage(data) {
  const query = parsedQuery(location.hash.slice(1));
  const grid = new Grid(data);
  const count = make("p", { class: "iv-count", role: "status" });
  const form = make("div", {});
  const show = () => {
    const places = selected(data, query);
    grid.caption = ORDER_LINES[query.order];
    grid.show(places, { ...query });
    count.textContent = places.length === data.summary.explained ? `All ${counted(places.length, "image")}` : `${number(places.length)} of ${counted(data.summary.explained, "image")}`;
  };
  const act = () => {
    history.replaceState(null, "", `#${writtenQuery(query)}`);
    show();
  };
  const fill = () => form.replaceChildren(filters(data, query, act));
  const clear = () => {
    Object.assign(query, emptyQuery());
    fill();
    act();
  };
  addEventListener("hashchange", () => {
    Object.assign(query, parsedQuery(location.hash.slice(1)));
    fill();
    show();
  });
  fill();
  const reset = make("button", { type: "button", class: "iv-button", onclick: clear }, "Show all");
  const help = paragraph("In the list, arrow keys move from image to image, and Enter opens one.");
  set(help, { class: "iv-help" });
  queueMicrotask(show);
  return [form, make("div", { class: "iv-line" }, count, reset), help, grid.element];
}
