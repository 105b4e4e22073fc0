/** @type {Views} */
const views = {};

/** Brings all views of the page to life that are not yet. */
function mountAll() {
  const hosts = document.querySelectorAll(`[data-interpviz-needs="${DIGEST}"]`);
  for (const host of hosts) if (!host.shadowRoot) mount(/** @type {HTMLElement} */ (host));
}

/**
 * Puts a view in the place of its still picture, which stays for paper and for failures.
 * @param {HTMLElement} host
 */
function mount(host) {
  const root = make("div", { class: "view", role: "region" });
  const still = make("div", { class: "still" }, make("slot", {}));
  host.attachShadow({ mode: "open" }).append(make("style", {}, STYLE), root, still);
  try {
    const payload = JSON.parse(host.querySelector("script")?.textContent ?? "");
    set(root, { "aria-label": payload.title });
    const stage = { host, root, theme: themeOf(host, root), say: speaker(root) };
    host.interpviz = Object.freeze({ read: views[host.dataset.interpvizView ?? ""](stage, payload) });
  } catch (error) {
    root.replaceChildren("This view could not start; here is a still picture of it.");
    still.className = "";
    console.error(error);
  }
}

/**
 * A line for screen readers that waits until the reader rests.
 * @param {HTMLElement} root
 */
function speaker(root) {
  const line = make("p", { class: "unseen", "aria-live": "polite" });
  let timer = 0;
  root.append(line);
  return (/** @type {string} */ text) => {
    clearTimeout(timer);
    timer = setTimeout(() => line.replaceChildren(text), 250);
  };
}
