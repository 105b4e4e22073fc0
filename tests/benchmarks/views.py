"""How large the views are, how soon they are ready, and how fast they follow the reader.

    python tests/benchmarks/views.py

Prints medians of what a headless Chromium measured, with the bars that the project sets itself.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from interpviz.render.views import AttentionView, CamView, runtime
from interpviz.render.views.cam_maps import enlarging_matrix
from interpviz.render.views.page import style

sys.path.append(str(Path(__file__).parents[1] / "site"))
from browser import launch

# From the event to the end of all drawing, which is read back from both canvases so that none of
# it can wait behind the clock.
HOVER = """() => {
  const shadow = document.querySelector('.interpviz').shadowRoot;
  const items = shadow.querySelectorAll('.tokens.query li, .tokens.key li');
  const pens = [...shadow.querySelectorAll('.scroll canvas, .map canvas + canvas')]
    .map(canvas => canvas.getContext('2d'));
  const times = [];
  for (let i = 0; i < 200; i++) {
    const item = items[(i * 37) % items.length];
    const start = performance.now();
    item.dispatchEvent(new PointerEvent('pointerover', {bubbles: true}));
    shadow.querySelector('.readout').offsetHeight;
    for (const pen of pens) pen.getImageData(0, 0, 1, 1);
    times.push(performance.now() - start);
  }
  return times;
}"""
# The pixels are read back for the same reason.
POINT = """() => {
  const shadow = document.querySelector('.interpviz').shadowRoot;
  const box = shadow.querySelector('.map');
  const {left, top, width, height} = box.getBoundingClientRect();
  return Array.from({length: 200}, (_, i) => {
    const clientX = left + (i * 37 % 100) / 100 * width, clientY = top + (i % 10) / 10 * height;
    const start = performance.now();
    box.dispatchEvent(new PointerEvent('pointermove', {clientX, clientY}));
    shadow.querySelector('.readout').offsetHeight;
    return performance.now() - start;
  });
}"""
SWITCH = """() => {
  const shadow = document.querySelector('.interpviz').shadowRoot;
  const select = shadow.querySelector('select');
  const pen = shadow.querySelector('canvas').getContext('2d');
  return Array.from({length: 20}, (_, i) => {
    const start = performance.now();
    select.value = String(i % 3);
    select.dispatchEvent(new Event('change'));
    pen.getImageData(0, 0, 1, 1);
    return performance.now() - start;
  });
}"""
READY = """() => {
  const done = performance.getEntriesByName('interpviz-ready')[0];
  return done ? done.startTime : null;
}"""
# Ready is when the first frame after the script has run is on its way to the screen.
WATCH = """document.addEventListener('DOMContentLoaded', () =>
  requestAnimationFrame(() => setTimeout(() => performance.mark('interpviz-ready'))));"""


def view(layers: int, heads: int, tokens: int) -> AttentionView:
    """Random heads, as a softmax gives them."""
    random = np.random.default_rng(0)
    weights = np.exp(random.normal(size=(layers, heads, tokens, tokens), scale=2)).astype("float32")
    weights /= weights.sum(-1, keepdims=True)
    return AttentionView(weights, [f"token{i}" for i in range(tokens)])


def cam_view(methods: int, classes: int, side: int) -> CamView:
    """Random maps over random clouds, each 7 x 7 cells and enlarged as an engine does it."""
    random = np.random.default_rng(0)
    enlarging = enlarging_matrix(7, side)
    maps = enlarging @ random.gamma(0.7, size=(methods, classes, 7, 7)) @ enlarging.T
    clouds = enlarging @ random.uniform(size=(3, 7, 7)) @ enlarging.T
    return CamView(clouds.transpose(1, 2, 0), maps)


def measured(browser: Any, path: Path, ask: Callable[[Any], Any]) -> Any:
    """What a fresh page answers."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    try:
        page.add_init_script(WATCH)
        page.goto(path.as_uri())
        page.wait_for_function(f"({READY})() !== null")
        return ask(page)
    finally:
        page.close()


def typical_and_worst(browser: Any, path: Path, what: str) -> tuple[float, float]:
    """Milliseconds: the medians over five pages of a page's median and of its worst time."""
    rounds = [measured(browser, path, lambda page: page.evaluate(what)) for _ in range(5)]
    typical = statistics.median(statistics.median(times) for times in rounds)
    return typical, statistics.median(max(times) for times in rounds)


def ready_after(browser: Any, path: Path) -> str:
    """Milliseconds until a view is ready."""
    times = [measured(browser, path, lambda page: page.evaluate(READY)) for _ in range(7)]
    return f"ready after {statistics.median(times):.0f} ms, worst {max(times):.0f} (bar: 1000)"


def main() -> None:
    """Measure and print."""
    whole, sheet = len(runtime().encode()) / 1000, len(style().encode()) / 1000
    print(f"script: {whole - sheet:.1f} kB (bar: 40), and {sheet:.1f} kB of style")
    with TemporaryDirectory() as folder, launch() as browser:
        print(f"Chromium {browser.version}")
        path = view(12, 12, 128).to_html(Path(folder) / "many.html")
        print(f"12 layers, 12 heads, 128 tokens: {path.stat().st_size / 1e6:.2f} MB (bar: 4)")
        print(ready_after(browser, path))
        path = view(1, 12, 512).to_html(Path(folder) / "long.html")
        typical, worst = typical_and_worst(browser, path, HOVER)
        print(
            f"hover to redrawn, 512 tokens, 12 heads: median {typical:.1f} ms (bar: 16), worst of "
            f"200 {worst:.1f} ms (bar: 33), medians of 5 rounds"
        )
        path = cam_view(3, 3, 224).to_html(Path(folder) / "maps.html")
        print(f"maps of 3 methods, 3 classes: {path.stat().st_size / 1000:.0f} kB")
        print(ready_after(browser, path))
        for what, times in (("value under the pointer", POINT), ("another class", SWITCH)):
            typical, worst = typical_and_worst(browser, path, times)
            print(f"{what}: median {typical:.1f} ms, worst {worst:.1f} ms, medians of 5 rounds")


if __name__ == "__main__":
    main()
