/**
 * What is shown of a head.
 * @param {AttentionState} state
 * @param {AttentionActions} actions
 */
function settingsPart(state, actions) {
  const { texts, steps, layers, kinds } = state.data;
  // Squared, since most weights are small.
  const least = (/** @type {number} */ value) => (value / 100) ** 2;
  const element = make(
    "div",
    { class: "bar" },
    amount("Strongest links:", { min: 1, max: 20, value: state.strongest }, String, (strongest) => actions.change({ strongest })),
    amount("Hide links below:", { min: 0, max: 100, value: 0 }, (value) => digits(least(value)), (value) => actions.change({ threshold: least(value) })),
    choice("Scale", ["linear", "logarithmic"], (place) => actions.change({ log: place === 1 })).element,
  );
  if (texts.some((text) => text.special.length)) {
    const special = tick("Special tokens", true, (on) => actions.change({ special: on }));
    special.title = "Without them the other weights of a token add up to 1 again.";
    element.append(special);
  }
  if (!steps) return { element, draw() {} };
  const length = max(...layers.map((layer) => (kinds[layer.kind].grows ? layer.shape[0] : 0)));
  const slider = amount("Tokens so far:", { min: steps, max: length, value: length }, (value) => `${value} of ${length}`, (rows) => actions.change({ rows }));
  element.append(slider);
  const draw = () => {
    slider.hidden = !kindOf(state).grows;
  };
  return { element, draw };
}
