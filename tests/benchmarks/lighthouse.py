"""What Lighthouse says of a built site on a phone.

    python tests/benchmarks/lighthouse.py [SITE] [--pages PAGE ...] [--repeats 3] [--keep FOLDER]

SITE is the folder of a built site, by default `site`; PAGE is an address below its root, such as
`guide/cam/`. Without one, eight pages are measured: one of each kind, and the largest. Text is sent
packed with gzip. Lighthouse's own settings hold: a phone on a slow line, whose times it computes
from what it saw on a fast one. Prints medians, every check that failed and every bar that a page
misses; ends with 1 where one is missed. Needs `npx`, which fetches Lighthouse, and Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "site"))
from browser import chromium, serve

TOOL = "lighthouse@12"
PAGES = (
    "",
    "generated/gallery/",
    "generated/gallery/attention/plot_bert_heads/",
    "generated/gallery/cam/plot_methods/",
    "generated/gallery/trust/plot_faithfulness/",
    "guide/cam/",
    "reference/cam/",
    "troubleshooting/",
)
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
BYTES = "total-byte-weight"
TIMES = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time")
SHIFT = "cumulative-layout-shift"
HEAD = ("perf", "access", "best", "seo", "paint", "largest", "blocked", "shift", "kB", "requests")

AT_LEAST = {"perf": 95, "access": 100, "best": 100, "seo": 100}
"""Scores that every page has to reach."""
AT_MOST = {"largest": 2.5, "shift": 0.02}
"""Seconds to the largest paint, and the layout shift, that no page may exceed."""


def measured(url: str, folder: Path) -> dict[str, Any]:
    """What Lighthouse found on one page.

    Args:
        url: The address of the page.
        folder: Where the report may be written.
    """
    target = folder / "report.json"
    subprocess.run(
        [
            *("npx", "--yes", TOOL, url, "--quiet"),
            f"--only-categories={','.join(CATEGORIES)}",
            *("--output=json", f"--output-path={target}"),
            "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
        ],
        check=True,
        env={**os.environ, "CHROME_PATH": str(chromium())},
    )
    return json.loads(target.read_text(encoding="utf-8"))


def figures(report: dict[str, Any]) -> list[float]:
    """The numbers of one row of the table.

    Args:
        report: What Lighthouse wrote.

    Returns:
        Four scores from 0 to 100, the times in seconds, the layout shift, the kB that were sent
        and the requests.
    """
    audits = report["audits"]
    return [
        # Scores come with two digits.
        *(round(100 * (report["categories"][name]["score"] or 0)) for name in CATEGORIES),
        *(audits[name]["numericValue"] / 1000 for name in TIMES),
        audits[SHIFT]["numericValue"],
        audits[BYTES]["numericValue"] / 1000,
        len(audits["network-requests"]["details"]["items"]),
    ]


def missed(row: Sequence[float]) -> list[str]:
    """Which bars a page misses.

    Args:
        row: Its row of the table.
    """
    found = dict(zip(HEAD, row, strict=True))
    low = [(name, "under", bar) for name, bar in AT_LEAST.items() if found[name] < bar]
    high = [(name, "over", bar) for name, bar in AT_MOST.items() if found[name] > bar]
    return [f"{name} {found[name]:.4g}, {side} {bar:g}" for name, side, bar in low + high]


def failures(report: dict[str, Any]) -> set[str]:
    """What the page failed of the checks that either pass or fail."""
    counted = {
        check["id"]
        for name in CATEGORIES[1:]
        for check in report["categories"][name]["auditRefs"]
        if check["weight"] > 0
    }
    found = {name: report["audits"][name] for name in counted}
    return {f"{name}: {one['title']}" for name, one in found.items() if one["score"] == 0}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("site", nargs="?", type=Path, default=Path("site"))
    parser.add_argument("--pages", nargs="+", default=PAGES, metavar="PAGE")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where reports are kept")
    asked = parser.parse_args()
    if not (asked.site / "index.html").is_file():
        sys.exit(f"{asked.site} holds no built site: run `mkdocs build --strict` first.")
    for name, found in (("npx", shutil.which("npx")), ("chromium", chromium())):
        if not found:
            sys.exit(f"`{name}` is not on the path: install it, then start again.")
    print(f"{'':<46}{''.join(f'{name:>9}' for name in HEAD)}")
    failed, over = {}, {}
    with serve(asked.site, packing=True) as root, TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for page in asked.pages:
            reports = [measured(root + page, folder) for _ in range(asked.repeats)]
            if asked.keep:
                name = page.strip("/").replace("/", "-") or "home"
                (folder / "report.json").rename(folder / f"{name}.json")
            row = [statistics.median(part) for part in zip(*map(figures, reports), strict=True)]
            print(f"{page or 'home':<46}{''.join(f'{value:9.4g}' for value in row)}", flush=True)
            failed[page] = set().union(*map(failures, reports))
            over[page] = missed(row)
    for page, checks in failed.items():
        for check in sorted(checks):
            print(f"{page or 'home'}: {check}")
        for bar in over[page]:
            print(f"{page or 'home'}: missed {bar}")
    if any(over.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
