/** The main numbers, each with the page that tells more; `own` are those of one kind of report. */
function figures({ summary }, own) {
  const { explained, failed, labelled, right } = summary;
  const several = (count, what) => (count === 1 ? what : `${what}s`);
  const found = [[number(explained), `${several(explained, KIND.one)} explained`, KIND.list], ...own];
  if (labelled) {
    found.unshift([percent(right / labelled), `right, of ${number(labelled)} ${KIND.labelled}`, listOf({ verdict: "right" })]);
    found.push([number(labelled - right), several(labelled - right, "mistake"), KIND.mistakes]);
  }
  if (failed) found.push([number(failed), `${several(failed, KIND.file)} that failed`, "failures.html"]);
  const items = found.map(([value, text, href]) => make("li", {}, make("a", { href }, make("b", {}, value), ` ${text}`)));
  return make("ul", { class: "iv-figures" }, ...items);
}

/** Why there is nothing to show. */
function emptiness({ failed }) {
  const why = `None of the ${KIND.file}s could be explained; the page on failed ${KIND.file}s says why.`;
  return paragraph(failed ? why : `There are no ${KIND.one}s in this report.`);
}

const STRIP = 8;

/** The strangest of a kind: what that means, the first of them, and where more are. */
function chapter(data, { title, text, query, most = STRIP, ...look }) {
  const asked = { ...emptyQuery(), ...query };
  // Those without a value come last, and tell nothing.
  const places = [...selected(data, asked).subarray(0, most)].filter((place) => data.entries[asked.order][place] !== NONE);
  if (!places.length) return "";
  const more = make("p", {}, make("a", { href: listOf(query) }, `All ${KIND.one}s in this order: ${title.toLowerCase()}`));
  return make("div", {}, make("h3", {}, title), paragraph(text), KIND.strip(data, places, asked, look), more);
}

/** With what the report was made, whatever it is of. */
function makings({ versions, command }) {
  const parts = [section("Versions", definitions(Object.entries(versions)))];
  if (command) {
    const box = make("pre", { tabindex: 0 }, make("code", {}, command));
    parts.push(section("Command", paragraph("Run again, it does only what is new or changed."), box));
  }
  return parts;
}
