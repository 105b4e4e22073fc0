/**
 * Whether the page around a view is dark: what its makers say, else what its paper looks like,
 * else what the reader prefers.
 * @param {HTMLElement} host
 */
function isDark(host) {
  const { body, documentElement: html } = document;
  const { mdColorScheme, jpThemeLight } = body.dataset;
  const told = `${mdColorScheme} ${jpThemeLight} ${html.dataset.theme} ${html.getAttribute("theme")} ${body.className}`;
  if (/^slate|^\w+ false|^\w+ \w+.* dark|vscode-(dark|high-contrast$)/.test(told)) return true;
  if (/^default|^\w+ true|^\w+ \w+.* light|vscode-(light|high-contrast-light)/.test(told)) return false;
  for (let at = /** @type {HTMLElement | null} */ (host); at; at = at.parentElement) {
    const [r, g, b, alpha = 1] = getComputedStyle(at).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (r >= 0 && alpha > 0.5) return 0.3 * r + 0.6 * g + 0.1 * b < 128;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * Follows the page's colours.
 * @param {HTMLElement} host
 * @param {HTMLElement} root
 * @returns {Theme}
 */
function themeOf(host, root) {
  /** @type {(() => void)[]} */
  const acts = [];
  /** @type {Record<string, string>} */
  let known = {};
  const look = () => {
    const scheme = isDark(host) ? "dark" : "light";
    if (root.dataset.scheme === scheme) return;
    root.dataset.scheme = scheme;
    known = {};
    acts.forEach((act) => act());
  };
  look();
  watchPage(look);
  return {
    look,
    colour: (name) => (known[name] ??= getComputedStyle(root).getPropertyValue(name).trim()),
    onChange: (act) => void acts.push(act),
  };
}

/**
 * Looks anew when the page changes its colours. The page holds the view weakly: a notebook throws
 * outputs away, and their weights must go with them.
 * @param {() => void} look
 */
function watchPage(look) {
  const kept = new WeakRef(look);
  const prefers = matchMedia("(prefers-color-scheme: dark)");
  const act = () => {
    const now = kept.deref();
    if (now) return now();
    watch.disconnect();
    prefers.removeEventListener("change", act);
  };
  const watch = new MutationObserver(act);
  prefers.addEventListener("change", act);
  for (const at of [document.documentElement, document.body]) watch.observe(at, { attributes: true });
}
