/** The maps of a record, each with its method and its class. */
function mapsOf({ run }, known) {
  const { maps, grid, classes, peaks, spread, outside } = known;
  const [all, size] = [bytes(maps), grid[0] * grid[1]];
  const found = [];
  for (const { name, of_class: ofClass } of run.methods) {
    for (const index of ofClass ? classes : [null]) {
      const at = found.length;
      const map = all.subarray(at * size, (at + 1) * size);
      const title = index === null ? "all classes" : className(run, index);
      found.push({ method: methodName(name), index, title, grid, map, peak: peaks[at] ?? 0, spread: spread[at], outside: outside?.[at] ?? null });
    }
  }
  return found;
}

/** What the library's own view of maps is told, as its Python side would. */
async function camPayload({ run }, known, maps, source) {
  const { classes, grid, view, top } = known;
  const methods = run.methods.map(({ name }) => {
    const own = maps.filter(({ method }) => method === methodName(name));
    // A method that has one map an image shows it for every class.
    const each = classes.map((index) => own.find((one) => one.index === index) ?? own[0]);
    return { name: methodName(name), shape: grid, maps: each.map(({ map }) => base64(map)), steps: each.map(({ peak }) => peak / 255) };
  });
  const probability = new Map(top);
  const names = classes.map((index) => {
    const told = probability.get(index);
    return told === undefined ? className(run, index) : `${className(run, index)}, ${percent(told)}`;
  });
  const larger = max(1, SMALLEST_VIEW / max(...view));
  return {
    title: "Where the evidence lies",
    alt: `${known.id}, as the model sees it`,
    photo: await inlined(source),
    size: view.map((side) => round(side * larger)),
    ramp: COLOURS.join(","),
    ...{ signed: false, shared: false, opacity: 60, classes: names, methods },
  };
}

const SMALLEST_VIEW = 480;

/** One call a byte: a map may have more of them than a call takes arguments. */
function base64(codes) {
  let text = "";
  for (const code of codes) text += String.fromCharCode(code);
  return btoa(text);
}

/** A picture as text, so that what is saved from the view holds it; from disk it cannot be had. */
async function inlined(source) {
  if (!location.protocol.startsWith("http")) return new URL(source, location.href).href;
  const blob = await (await fetch(source)).blob();
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(blob);
  });
}

/** The maps of one image: to play with, and all at a glance. */
function viewer(data, known, source) {
  const maps = mapsOf(data, known);
  const plain = make("img", { src: source, alt: `${known.id}, as the model sees it` });
  const host = make("div", { class: "interpviz", "data-interpviz-view": "cam" }, plain);
  queueMicrotask(() => enliven(host, camPayload(data, known, maps, source)));
  return make("div", {}, host, section("All maps", glance(data, maps, source, known.view), legend()));
}

/** Every map over the picture, small, with what is seen on it. */
function glance({ run }, maps, source, [width, height]) {
  const items = maps.map((one) => {
    const canvas = make("canvas", { width, height, "aria-hidden": "true" });
    paint(canvas, one.map, one.grid);
    const alt = `Heat map by ${one.method} for ${one.title}: ${told(one.map, one.grid)}.`;
    const stage = make("div", { class: "iv-stage" }, make("img", { src: source, alt }), canvas);
    const name = run.methods.length > 1 ? `${one.title}, ${one.method}` : one.title;
    return make("li", {}, stage, make("b", {}, name), make("p", {}, mapLine(one)));
  });
  return make("ul", { class: "iv-glance" }, ...items);
}

function mapLine({ map, spread, outside }) {
  if (!map.some(Boolean)) return "Empty: nothing spoke for it.";
  const wide = spread === null ? [] : [`Half of it on ${percent(spread)} of the picture`];
  const off = outside === null ? [] : [`${percent(outside)} outside of the object`];
  return `${[...wide, ...off].join("; ")}.`;
}
