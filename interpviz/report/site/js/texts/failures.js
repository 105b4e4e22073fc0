const FAILED_AT_ONCE = 200;

/** Texts that could not be explained, some at a time. */
async function textFailures(data) {
  const { texts, summary } = data;
  const places = [...texts.state.keys()].filter((place) => texts.state[place]);
  if (!places.length) return [paragraph(`There are none: all of ${counted(summary.explained, "text")} were explained.`)];
  const [list, count] = [make("dl", { class: "iv-facts" }), make("p", { class: "iv-count", role: "status" })];
  const more = async () => {
    const first = list.childElementCount;
    const known = await Promise.all(places.slice(first, first + FAILED_AT_ONCE).map((place) => record(data, place)));
    for (const { id, failed } of known) list.append(make("div", {}, make("dt", {}, id), make("dd", {}, failed)));
    count.textContent = `${number(list.childElementCount)} of ${counted(places.length, "failed text")}`;
    button.hidden = list.childElementCount === places.length;
  };
  const button = make("button", { type: "button", class: "iv-button", onclick: () => more().catch((error) => count.replaceChildren(error.message)) }, "Show more");
  await more();
  return [count, list, button];
}
