/** All texts, chosen and ordered by what the address says. */
function textsPage(data) {
  const { summary } = data;
  const query = parsedTextQuery(location.hash.slice(1));
  const lines = new Lines(data);
  const count = make("p", { class: "iv-count", role: "status" });
  const form = make("div", {});
  const show = () => {
    const places = selectedTexts(data, query);
    lines.caption = Object.hasOwn(MEASURES, query.order) ? query.order : mainMeasure(data);
    lines.show(places, { ...query });
    count.textContent = places.length === summary.explained ? `All ${counted(places.length, "text")}` : `${number(places.length)} of ${counted(summary.explained, "text")}`;
  };
  const act = () => {
    history.replaceState(null, "", `#${writtenTextQuery(query)}`);
    show();
  };
  const fill = () => form.replaceChildren(textFilters(data, query, act));
  const turn = (other) => {
    Object.assign(query, other);
    fill();
  };
  addEventListener("hashchange", () => {
    turn(parsedTextQuery(location.hash.slice(1)));
    show();
  });
  fill();
  const clear = () => {
    turn(emptyTextQuery());
    act();
  };
  const reset = make("button", { type: "button", class: "iv-button", onclick: clear }, "Show all");
  const help = paragraph("In the list, arrow keys move from text to text, and Enter opens one.");
  set(help, { class: "iv-help" });
  queueMicrotask(show);
  return [form, make("div", { class: "iv-line" }, count, reset), help, lines.element];
}
