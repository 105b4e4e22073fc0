/** A choice of one of several values. */
function choice(name, options, value, act) {
  const box = make("select", { onchange: () => act(box.value) });
  for (const [key, text] of options) box.append(new Option(text, key, false, String(key) === String(value)));
  return make("label", {}, make("span", {}, name), box);
}

/** Two numbers in percent. */
function range(name, [low, high], hint, act) {
  const bound = (value, what) => make("input", { type: "number", min: 0, max: 100, step: "any", value, "aria-label": what, onchange: tell });
  const tidy = (value) => Number((value * 100).toFixed(2));
  const [from, to] = [bound(tidy(low), "from"), bound(tidy(high), "to")];
  function tell() {
    const [a, b] = [from, to].map((box, i) => (box.value === "" ? i : clamp(Number(box.value) / 100, 0, 1)));
    act(a <= b ? [a, b] : [b, a]);
  }
  return make("fieldset", { title: hint }, make("legend", {}, `${name}, %`), from, " to ", to);
}

function tick(name, value, act) {
  const box = make("input", { type: "checkbox", onchange: () => act(box.checked) });
  box.checked = value;
  return make("label", { class: "iv-tick" }, box, make("span", {}, name));
}
