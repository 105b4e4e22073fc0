// Browsers lay out no page that is much higher than this.
const HIGHEST = 12e6;
const GAP = 12;
const TEXT = 52;

/** A list of any number of images or texts, of which only those in sight are on the page. */
class Grid {
  constructor(data) {
    this.data = data;
    this.caption = undefined;
    this.places = new Uint32Array();
    this.query = emptyQuery();
    this.active = 0;
    this.items = new Map();
    this.list = make("ul", { class: "iv-grid", onkeydown: (event) => this.press(event), onfocusin: (event) => this.arrive(event) });
    this.rest = make("p", { class: "iv-rest", hidden: true });
    this.element = make("div", {}, this.list, this.rest);
    const draw = perFrame(() => this.draw());
    addEventListener("scroll", draw, { passive: true });
    addEventListener("resize", draw);
    new ResizeObserver(() => this.measure()).observe(this.list);
  }

  /** Shows other images, from the first one on. */
  show(places, query) {
    Object.assign(this, { places, query, active: 0 });
    for (const item of this.items.values()) item.remove();
    this.items.clear();
    this.measure();
  }

  measure() {
    const width = this.list.clientWidth;
    if (!width) return;
    this.fit(width);
    const most = floor(HIGHEST / this.step) * this.columns;
    this.shown = min(this.places.length, most);
    this.list.style.height = `${ceil(this.shown / this.columns) * this.step}px`;
    this.rest.hidden = this.shown === this.places.length;
    this.rest.textContent = `These are the first ${number(this.shown)} ${KIND.one}s: choose fewer to see the others.`;
    for (const [at, item] of this.items) this.put(item, at);
    this.draw();
  }

  /** How many stand beside one another, and how high each row is. */
  fit(width) {
    this.columns = max(2, floor((width + GAP) / (150 + GAP)));
    this.side = (width + GAP) / this.columns - GAP;
    this.step = this.side + TEXT + GAP;
  }

  put(item, at) {
    const [row, column] = [floor(at / this.columns), at % this.columns];
    item.style.cssText = `width:${this.side}px;height:${this.side + TEXT}px;transform:translate(${column * (this.side + GAP)}px,${row * this.step}px)`;
  }

  /** Brings in what came into sight and takes away what left it; what has the focus stays. */
  draw() {
    if (!this.step) return;
    const top = -this.list.getBoundingClientRect().top;
    const first = max(0, floor(top / this.step - 1) * this.columns);
    const last = min(this.shown, ceil((top + innerHeight) / this.step + 1) * this.columns);
    const wanted = new Set(this.active < this.shown ? [this.active] : []);
    for (let at = first; at < last; at++) wanted.add(at);
    for (const [at, item] of this.items) {
      if (wanted.has(at)) continue;
      item.remove();
      this.items.delete(at);
    }
    let next = null;
    // From the last to the first, so that each one has its neighbour to stand before.
    for (const at of [...wanted].sort((a, b) => b - a)) {
      if (!this.items.has(at)) this.list.insertBefore(this.item(at), next);
      next = this.items.get(at);
    }
  }

  item(at) {
    const link = KIND.item(this.data, this.places[at], this.query, this.caption);
    set(link, { tabindex: at === this.active ? 0 : -1 });
    const item = make("li", { "aria-setsize": this.places.length, "aria-posinset": at + 1, "data-at": at }, link);
    this.put(item, at);
    this.items.set(at, item);
    return item;
  }

  arrive({ target }) {
    const at = Number(target.closest("li")?.dataset.at ?? -1);
    if (at < 0 || at === this.active) return;
    this.items.get(this.active)?.firstChild.setAttribute("tabindex", -1);
    this.active = at;
    this.items.get(at).firstChild.setAttribute("tabindex", 0);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = max(1, floor(innerHeight / this.step) - 1) * this.columns;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page, PageUp: -page };
    const ends = { Home: 0, End: this.shown - 1 };
    const to = ends[event.key] ?? this.active + steps[event.key];
    if (Number.isNaN(to)) return;
    event.preventDefault();
    this.focus(clamp(to, 0, this.shown - 1));
  }

  focus(at) {
    const row = floor(at / this.columns);
    const top = this.list.getBoundingClientRect().top + row * this.step;
    const head = 120;
    if (top < head) scrollBy(0, top - head);
    else if (top + this.step > innerHeight) scrollBy(0, top + this.step - innerHeight);
    const before = this.active;
    this.active = at;
    this.draw();
    this.items.get(before)?.firstChild.setAttribute("tabindex", -1);
    const link = this.items.get(at).firstChild;
    link.setAttribute("tabindex", 0);
    link.focus({ preventScroll: true });
  }
}
