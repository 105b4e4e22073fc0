/**
 * A list to choose from.
 * @param {string} label
 * @param {string[]} names
 * @param {(place: number) => void} act
 */
function choice(label, names, act) {
  const options = names.map((name, place) => make("option", { value: place }, name));
  const select = make("select", { onchange: () => act(+select.value) }, ...options);
  return { element: make("label", {}, make("span", {}, label), select), select };
}

/**
 * A slider with its value in words.
 * @param {string} label
 * @param {{min: number, max: number, value: number}} range
 * @param {(value: number) => string} told
 * @param {(value: number) => void} act
 */
function amount(label, range, told, act) {
  // No output element: inside a label it would be what the label names.
  const value = make("b", {});
  const show = () => {
    value.textContent = told(+input.value);
    set(input, { "aria-valuetext": value.textContent });
  };
  const oninput = () => {
    show();
    act(+input.value);
  };
  const input = make("input", { type: "range", ...range, oninput });
  show();
  return make("label", {}, make("span", {}, `${label} `, value), input);
}

/**
 * A box to tick.
 * @param {string} label
 * @param {boolean} checked
 * @param {(on: boolean) => void} act
 */
function tick(label, checked, act) {
  const input = make("input", { type: "checkbox", onchange: () => act(input.checked) });
  input.checked = checked;
  return make("label", { class: "tick" }, input, label);
}

/**
 * Lets the pointer and keys move over a field: a press or a key stays there, a pointer does not.
 * @template T
 * @param {HTMLElement} box
 * @param {{hover: (spot?: T) => void, keep: (spot: T) => void}} actions
 * @param {(event: PointerEvent) => T | undefined} spot where a pointer is
 * @param {(event: KeyboardEvent) => T | undefined} step where a key leads
 */
function probed(box, { hover, keep }, spot, step) {
  const arrive = (/** @type {Event} */ event, /** @type {T | undefined} */ to) => {
    if (!to) return;
    if (event.type === "keydown") event.preventDefault();
    keep(to);
  };
  set(box, {
    onpointermove: (/** @type {PointerEvent} */ event) => hover(spot(event)),
    onpointerleave: () => hover(),
    onpointerdown: (/** @type {PointerEvent} */ event) => arrive(event, spot(event)),
    onkeydown: (/** @type {KeyboardEvent} */ event) => isPlain(event) && arrive(event, step(event)),
  });
}
