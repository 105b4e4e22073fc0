// A browser lets a page from disk load scripts and nothing else, so the data are scripts that hand
// their content to this function. Records tell where they begin, all else comes once.
const arrived = new Map();
const arriving = new Map();

window.interpvizReport = (kind, content) => {
  arrived.set(kind === "records" ? `records ${content.first}` : kind, content);
};

/** Loads a file of data, once. */
function load(file, key) {
  if (!arriving.has(file)) arriving.set(file, loaded(file, key));
  return arriving.get(file);
}

function loaded(file, key) {
  return new Promise((resolve, reject) => {
    const script = make("script", { src: `data/${file}.js` });
    const fail = () => {
      arriving.delete(file);
      reject(new Error(`The file data/${file}.js is missing or not whole: keep it beside this page, or make the report again.`));
    };
    script.onload = () => (arrived.has(key) ? resolve(arrived.get(key)) : fail());
    script.onerror = fail;
    document.head.append(script);
  });
}

/** What is known of the whole report. */
async function everything() {
  const [run, index, summary] = await Promise.all(["run", "index", "summary"].map((name) => load(name, name)));
  if (run.format !== 1 || (run.kind ?? "images") !== `${KIND.one}s`) throw new Error("The data are of another version than these pages: make the report again.");
  return { run, summary, index, entries: unpacked(index) };
}

const recent = [];

/** The record of one entry. Of the files of records, which are large, a few stay in memory. */
async function record({ index }, place) {
  const shard = floor(place / index.shard);
  const file = `records-${String(shard).padStart(3, "0")}`;
  const key = `records ${shard * index.shard}`;
  const { first, records } = await load(file, key);
  if (!recent.includes(file)) recent.push(file);
  if (recent.length > 8) {
    const oldest = recent.shift();
    arriving.delete(oldest);
    arrived.delete(`records ${Number(oldest.slice(8)) * index.shard}`);
  }
  return records[place - first];
}
