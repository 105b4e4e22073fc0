/** All entries, chosen and ordered by what the address says. */
function listPage(data) {
  const { explained } = data.summary;
  const query = parsedQuery(location.hash.slice(1));
  const list = KIND.listOf(data);
  const count = make("p", { class: "iv-count", role: "status" });
  const form = make("div", {});
  const show = () => {
    const places = selected(data, query);
    list.caption = KIND.captionOf(data, query.order);
    list.show(places, { ...query });
    count.textContent = places.length === explained ? `All ${counted(explained, KIND.one)}` : `${number(places.length)} of ${counted(explained, KIND.one)}`;
  };
  const act = () => {
    history.replaceState(null, "", `#${writtenQuery(query)}`);
    show();
  };
  const turn = (other) => {
    Object.assign(query, other);
    form.replaceChildren(filters(data, query, act));
  };
  addEventListener("hashchange", () => {
    turn(parsedQuery(location.hash.slice(1)));
    show();
  });
  const clear = () => {
    turn(emptyQuery());
    act();
  };
  turn(query);
  const reset = make("button", { type: "button", class: "iv-button", onclick: clear }, "Show all");
  const help = paragraph(`In the list, arrow keys move from ${KIND.one} to ${KIND.one}, and Enter opens one.`);
  set(help, { class: "iv-help" });
  queueMicrotask(show);
  return [form, make("div", { class: "iv-line" }, count, reset), help, list.element];
}
