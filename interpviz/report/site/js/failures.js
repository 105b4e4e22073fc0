const FAILURES_AT_ONCE = 200;

/** What could not be explained, some at a time. */
async function failuresPage(data) {
  const { entries, summary } = data;
  const places = [...entries.state.keys()].filter((place) => entries.state[place]);
  if (!places.length) return [paragraph(`There are none: all of ${counted(summary.explained, KIND.one)} were explained.`)];
  const box = table(`Failed ${KIND.file}s`, KIND.failureTitles, []);
  const body = box.querySelector("tbody");
  const count = make("p", { class: "iv-count", role: "status" });
  const more = async () => {
    const first = body.childElementCount;
    for (const place of places.slice(first, first + FAILURES_AT_ONCE)) {
      const { id, label, failed } = await record(data, place);
      const cells = [id, label === undefined ? "" : KIND.nameOf(label), failed];
      body.append(make("tr", {}, ...cells.map((text) => make("td", {}, text))));
    }
    const shown = body.childElementCount;
    const all = counted(places.length, `failed ${KIND.file}`);
    count.textContent = `${number(shown)} of ${all}`;
    button.hidden = shown === places.length;
  };
  const button = make("button", { type: "button", class: "iv-button", onclick: () => more().catch((error) => count.replaceChildren(error.message)) }, "Show more");
  await more();
  return [count, box, button];
}
