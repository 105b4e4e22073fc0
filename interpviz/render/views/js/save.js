/**
 * Buttons that save what is seen.
 * @param {() => Element} drawing
 * @param {() => string} name without its ending
 */
function saveButtons(drawing, name) {
  const text = () => new XMLSerializer().serializeToString(drawing());
  const download = (/** @type {Blob | null} */ blob, /** @type {string} */ ending) => {
    if (!blob) return;
    const href = URL.createObjectURL(blob);
    make("a", { href, download: name() + ending }).click();
    setTimeout(() => URL.revokeObjectURL(href), 9999);
  };
  const svg = () => download(new Blob([text()], { type: "image/svg+xml" }), ".svg");
  const png = () => {
    const image = new Image();
    image.onload = () => {
      const canvas = make("canvas", { width: image.width * 2, height: image.height * 2 });
      canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => download(blob, ".png"));
    };
    image.src = `data:image/svg+xml,${encodeURIComponent(text())}`;
  };
  return [
    make("button", { type: "button", onclick: svg }, "Save SVG"),
    make("button", { type: "button", onclick: png }, "Save PNG"),
  ];
}

/**
 * Makes an element of a drawing.
 * @param {string} tag
 * @param {Record<string, any>} options
 * @param {...(Node | string)} children
 */
function shape(tag, options, ...children) {
  return set(document.createElementNS("http://www.w3.org/2000/svg", tag), options, ...children);
}

/**
 * A sheet of paper for a drawing, with its title.
 * @param {Theme} theme
 * @param {string} title
 * @param {number} width
 * @param {number} height
 * @param {...Node} children
 */
function sheet(theme, title, width, height, ...children) {
  return shape(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}` },
    shape("rect", { width, height, fill: theme.colour("--paper") }),
    inked(theme, { x: 24, y: 30, "font-size": 15 }, title),
    ...children,
  );
}

/**
 * A line of text of a drawing.
 * @param {Theme} theme
 * @param {Record<string, any>} options
 * @param {string} text
 */
function inked(theme, options, text) {
  return shape("text", { fill: theme.colour("--ink"), "font-family": "system-ui, sans-serif", "font-size": 14, ...options }, text);
}
