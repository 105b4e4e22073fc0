/** @type {Map<string, Promise<Record<string, string>>>} */
const arriving = new Map();

/**
 * Loads a script that lies beside the page; a page opened from disk may fetch nothing else.
 * @param {string} address
 * @returns {Promise<Record<string, string>>}
 */
function parts(address) {
  const known = arriving.get(address);
  if (known) return known;
  /** @type {Promise<Record<string, string>>} */
  const loaded = new Promise((resolve, reject) => {
    const script = make("script", { src: address.split("/").map(encodeURIComponent).join("/") });
    script.onload = script.onerror = () => {
      const found = window.interpvizParts?.[address];
      if (found) return resolve(found);
      arriving.delete(address);
      reject(new Error(`The file ${address} is missing or is another one: keep what was written with this page beside it.`));
    };
    document.head.append(script);
  });
  arriving.set(address, loaded);
  return loaded;
}
