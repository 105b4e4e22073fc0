"""How soon the pages of a large report are there, and how soon they follow a choice.

    python tests/benchmarks/report_site.py [--count 100000] [--repeats 5]

The data are made up: random classes, folders and numbers, and 256 pictures that stand in for all.
Prints medians of what a headless Chromium measured on pages opened from disk. "ready" runs from the
navigation to the first frame behind everything that the page draws at once; "choose" from the
change of a setting to the frame that shows its result, "jump" from a jump to the middle of a list.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from interpviz.report.data import SHARD
from interpviz.report.scripts import write_script
from interpviz.report.site import write_site

sys.path.append(str(Path(__file__).parents[1] / "site"))
from browser import launch

CLASSES = 1000
READY = """() => new Promise(done => {
  const look = () => performance.getEntriesByName('interpviz-drawn').length
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(look, 1);
  look();
})"""
CHOOSE = """async ([label, value]) => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const labels = [...document.querySelectorAll('.iv-filters label, .iv-filters fieldset')];
  const at = labels.find(one => one.textContent.startsWith(label));
  const box = at.querySelector('select, input');
  await frame();
  const start = performance.now();
  if (value === null) box.click();
  else { box.value = value; box.dispatchEvent(new Event('change')); }
  await frame();
  return performance.now() - start;
}"""
JUMP = """async () => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const start = performance.now();
  scrollTo({top: document.documentElement.scrollHeight / 2, behavior: 'instant'});
  await frame();
  await frame();
  return performance.now() - start;
}"""
CHOICES = [
    ("Right or wrong", "wrong"),
    ("Order", "spread"),
    ("Highest", None),
    ("Confidence", "50"),
    ("The model says", "7"),
    ("The model says", "-1"),
    ("Order", "predicted"),
]


def text(values: np.ndarray) -> str:
    """Base64 of an array's bytes."""
    return base64.b64encode(values.tobytes()).decode()


def columns(count: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """What an index holds of so many images, four fifths of them named right."""
    label = random.integers(0, CLASSES, count).astype("<i4")
    wrong = random.random(count) < 0.2
    predicted = np.where(wrong, random.integers(0, CLASSES, count), label).astype("<i4")
    units = {n: random.integers(0, 65535, count).astype("<u2") for n in ("confidence", "outside")}
    return {
        "key": random.integers(0, 256, (count, 10)).astype(np.uint8),
        "state": np.zeros(count, np.uint8),
        "label": label,
        "predicted": predicted,
        "label_p": np.where(wrong, units["confidence"] // 3, units["confidence"]).astype("<u2"),
        "spread": random.integers(0, 32767, count).astype("<u2"),
        **units,
    }


def make_up(out: Path, count: int) -> None:
    """The data of a report, without records."""
    random = np.random.default_rng(0)
    found = columns(count, random)
    names = [f"class {index:03d}" for index in range(CLASSES)]
    data = out / "data"
    data.mkdir()
    run = {"format": 1, "model": "made up", "about": "", "model_digest": "", "options": {"top": 2}}
    methods = [{"name": "gradcam", "of_class": True}]
    run |= {"categories": names, "classes": CLASSES, "methods": methods, "versions": {}}
    write_script(data, "run.js", "run", run | {"command": None})
    index = {"count": count, "shard": SHARD, "labels": names, "label_class": [*range(CLASSES)]}
    index |= {"pictures": "images/{2}.webp", "columns": {n: text(v) for n, v in found.items()}}
    write_script(data, "index.js", "index", index)
    pairs, counts = np.unique(found["label"] * CLASSES + found["predicted"], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    confusion = [[int(pairs[i]) // CLASSES, int(pairs[i]) % CLASSES, int(counts[i])] for i in order]
    right = int((found["label"] == found["predicted"]).sum())
    maps = {str(i): text(random.integers(0, 255, 49).astype(np.uint8)) for i in range(CLASSES)}
    averages = {
        i: {"count": count // CLASSES, "grid": [7, 7], "map": map_} for i, map_ in maps.items()
    }
    summary = {"explained": count, "failed": 0, "labelled": count, "right": right}
    write_script(
        data, "summary.js", "summary", {**summary, "confusion": confusion, "averages": averages}
    )
    (out / "images").mkdir()
    for number in range(256):
        noise = Image.fromarray(random.integers(0, 255, (14, 14, 3), dtype=np.uint8))
        noise.resize((224, 224)).save(out / "images" / f"{number:02x}.webp")


def measure(browser: Any, address: str, ask: list[tuple[str, str, Any]]) -> dict[str, float]:
    """Milliseconds on a fresh page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(address, wait_until="commit")
    times = {"ready": page.evaluate(READY)}
    for name, script, argument in ask:
        times[name] = page.evaluate(script, argument)
    context.close()
    return times


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    asked = [
        (f"choose {label} {value or ''}".strip(), CHOOSE, [label, value])
        for label, value in CHOICES
    ]
    pages = {
        "index": [],
        "images": [*asked, ("jump", JUMP, None)],
        "mistakes": [("jump", JUMP, None)],
        "classes": [],
    }
    with TemporaryDirectory() as name, launch() as browser:
        out = Path(name)
        make_up(out, arguments.count)
        write_site(out)
        size = (out / "data" / "index.js").stat().st_size
        print(f"{arguments.count} images, index of {size / 1e6:.1f} MB, Chromium {browser.version}")
        for page, ask in pages.items():
            runs = [
                measure(browser, (out / f"{page}.html").as_uri(), ask)
                for _ in range(arguments.repeats)
            ]
            for what in runs[0]:
                print(f"{page}: {what}: {statistics.median(run[what] for run in runs):.0f} ms")


if __name__ == "__main__":
    main()
