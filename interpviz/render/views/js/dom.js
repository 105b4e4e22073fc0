const { ceil, floor, max, min, round } = Math;

/**
 * Sets attributes, adds listeners (their names begin with "on") and children, of which strings
 * become text, never markup.
 * @template {Element} E
 * @param {E} element
 * @param {Record<string, any>} options
 * @param {...(Node | string)} children
 */
function set(element, options, ...children) {
  for (const [name, value] of Object.entries(options)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * Makes an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} options
 * @param {...(Node | string)} children
 */
function make(tag, options, ...children) {
  return set(document.createElement(tag), options, ...children);
}

/**
 * A canvas cleared and as sharp as the screen is, to be drawn on in CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
function cleared(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [width, height].map((side) => max(1, round(side * ratio)));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

/**
 * At most one call a frame.
 * @param {() => void} act
 */
function perFrame(act) {
  let frame = 0;
  return () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(act);
  };
}

/**
 * Whether a key is meant for the view: with these it is a shortcut of the browser.
 * @param {KeyboardEvent} event
 */
function isPlain(event) {
  return !(event.altKey || event.ctrlKey || event.metaKey);
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function clamp(value, low, high) {
  return min(max(value, low), high);
}

/**
 * A weight with no more digits than it has.
 * @param {number} weight
 */
function digits(weight) {
  if (weight > 0 && weight < 0.001) return "<0.001";
  return weight ? weight.toFixed(weight < 0.1 ? 3 : 2) : "0";
}
