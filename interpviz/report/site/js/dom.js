const { ceil, floor, max, min, round, sqrt } = Math;

/**
 * Sets attributes, adds listeners (their names begin with "on") and children, of which strings
 * become text, never markup.
 */
function set(element, options, ...children) {
  for (const [name, value] of Object.entries(options)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Makes an element. */
function make(tag, options, ...children) {
  return set(document.createElement(tag), options, ...children);
}

/** A heading and what stands below it. */
function section(title, ...children) {
  return make("section", {}, make("h2", {}, title), ...children);
}

function paragraph(text) {
  return make("p", {}, text);
}

/** A table in a box that scrolls sideways where the page is narrow. */
function table(name, titles, rows) {
  const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))));
  const whole = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
  return make("div", { class: "iv-wide", role: "region", "aria-label": name, tabindex: 0 }, whole);
}

/** Names and what they stand for; those that stand for nothing are left out. */
function definitions(pairs) {
  const told = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return make("dl", { class: "iv-facts" }, ...told.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

/** At most one call a frame. */
function perFrame(act) {
  let frame = 0;
  return () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(act);
  };
}

function clamp(value, low, high) {
  return min(max(value, low), high);
}
