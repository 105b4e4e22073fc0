/** The script of the library's views, once; without it the page shows its own pictures only. */
const views = () => (views.loading ??= new Promise((resolve) => {
  document.head.append(make("script", { src: "views.js", onload: resolve, onerror: resolve }));
}));

/** Puts the library's view in the place of what a host shows, once that is on the page. */
async function enliven(host, payload) {
  host.append(make("script", { type: "application/json" }, JSON.stringify(await payload)));
  // Only now the view may find it.
  set(host, { "data-interpviz-needs": VIEWS });
  await views();
  if (host.isConnected) window.interpviz?.[VIEWS]?.();
}
