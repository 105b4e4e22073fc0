const FAILURES_AT_ONCE = 200;

/** Files that could not be explained, some at a time. */
async function failuresPage(data) {
  const { images, summary } = data;
  const places = [];
  for (let i = 0; i < images.count; i++) if (images.state[i]) places.push(i);
  if (!places.length) return [paragraph(`There are none: all of ${counted(summary.explained, "image")} were explained.`)];
  const body = make("tbody", {});
  const head = make("tr", {}, ...["File", "Folder", "Reason"].map((title) => make("th", { scope: "col" }, title)));
  const whole = make("table", {}, make("thead", {}, head), body);
  const box = make("div", { class: "iv-wide", role: "region", "aria-label": "Failed files", tabindex: 0 }, whole);
  const count = make("p", { class: "iv-count", role: "status" });
  const button = make("button", { type: "button", class: "iv-button", onclick: () => more().catch((error) => count.replaceChildren(error.message)) }, "Show more");
  const more = async () => {
    const first = body.childElementCount;
    for (const place of places.slice(first, first + FAILURES_AT_ONCE)) {
      const { id, label, failed } = await record(data, place);
      const cells = [id, label === undefined ? "" : labelName(label), failed];
      body.append(make("tr", {}, ...cells.map((text) => make("td", {}, text))));
    }
    const shown = body.childElementCount;
    count.textContent = `${number(shown)} of ${counted(places.length, "failed file")}`;
    button.hidden = shown === places.length;
  };
  await more();
  return [count, box, button];
}
