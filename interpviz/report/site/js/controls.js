/** A choice of one of several values. */
function choice(name, options, value, act) {
  const box = make("select", { onchange: () => act(box.value) });
  for (const [key, text] of options) box.append(new Option(text, key, false, String(key) === String(value)));
  return make("label", {}, make("span", {}, name), box);
}

/** The ends of a measure, each of which may be left open; in percent for a share. */
function range(name, [low, high], act) {
  const { title, unit, hint } = MEASURES[name];
  const most = unit === 100 ? 100 : undefined;
  const tidy = (value) => (value > 0 && value < Infinity ? Number((value * unit).toFixed(3)) : "");
  const bound = (value, what) => make("input", { type: "number", min: 0, max: most, step: "any", value: tidy(value), "aria-label": what, onchange: tell });
  const [from, to] = [bound(low, "from"), bound(high, "to")];
  function tell() {
    const ends = [from, to].map((box, i) => (box.value === "" ? [0, Infinity][i] : clamp(Number(box.value), 0, most ?? Infinity) / unit));
    const [a, b] = ends.sort((one, other) => one - other);
    act([a, upTo(name, b)]);
  }
  return make("fieldset", { title: hint }, make("legend", {}, most ? `${title}, %` : title), from, " to ", to);
}

function tick(name, value, act) {
  const box = make("input", { type: "checkbox", onchange: () => act(box.checked) });
  box.checked = value;
  return make("label", { class: "iv-tick" }, box, make("span", {}, name));
}

/** The values that occur in a column, by name, each with how often; failed entries do not count. */
function occurring(column, state, name) {
  const counts = new Map();
  for (let i = 0; i < column.length; i++) {
    if (!state[i] && column[i] >= 0) counts.set(column[i], (counts.get(column[i]) ?? 0) + 1);
  }
  const named = [...counts].map(([value, count]) => [value, name(value), count]);
  named.sort((a, b) => a[1].localeCompare(b[1]));
  return [[-1, "all"], ...named.map(([value, text, count]) => [value, `${text} (${number(count)})`])];
}
