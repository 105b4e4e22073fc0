"""The page that tells how the gallery was made: what each example took, and with what."""

from __future__ import annotations

import html
from collections.abc import Iterable

import budget
import pages
import timing
from layout import Example, Layout
from timing import Run

NAME = "build.md"

_HEAD = """---
description: What each example of the gallery took to run, which weights it used, and with what.
glightbox: false
hide: [toc]
search:
  exclude: true
---

# How the gallery was made

Every figure of the gallery was made by running its script when this site was built. Scripts run in
worker processes, one thread each. Processor time is that of all threads and started processes, and
includes the imports that an example is the first of its process to need. Memory is the largest
size of the process, which may still hold what an earlier example has left. A script may take
{seconds:g} s of processor time and {gigabytes:g} GB, unless it says that it needs more.
"""


def write(layout: Layout, installed: str) -> None:
    """Write the page, unless it is there already as it has to be.

    Args:
        layout: The folders of the checkout.
        installed: The versions of the packages that draw the pictures, separated by commas.
    """
    text = content([(each, timing.load(each)) for each in layout.examples()], installed)
    path = layout.gallery / NAME
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        pages.replace(path, text)


def content(runs: Iterable[tuple[Example, Run | None]], installed: str) -> str:
    """The page, for these examples and their last runs."""
    known = [(example, run) for example, run in runs if run is not None]
    rows = "\n".join(_row(example, run) for example, run in known)
    worked = sum(run.cpu_seconds for _, run in known)
    largest = max((run.peak_mb for _, run in known), default=0)
    versions = "\n".join(f"- {html.escape(each)}" for each in installed.split(", "))
    return f"""{_HEAD.format(seconds=budget.SECONDS, gigabytes=budget.GIGABYTES)}
| Example | Seconds | Processor seconds | Peak MB | Weights |
| :-- | --: | --: | --: | :-- |
{rows}

{len(known)} examples took {worked:.0f} s of processor time and at most {largest} MB.

## Versions

{versions}
"""


def _row(example: Example, run: Run) -> str:
    title = html.escape(example.title).replace("|", "&#124;").replace("[", "\\[")
    link = f"[{title}]({example.folder.name}/{example.page.name})"
    note = "<br>over its budget" if budget.excess(example, run) else ""
    used = "<br>".join(_cell(each.removeprefix("Weights: ")) for each in run.weights) or "none"
    return f"| {link}{note} | {run.seconds:.1f} | {run.cpu_seconds:.1f} | {run.peak_mb} | {used} |"


def _cell(text: str) -> str:
    escaped = html.escape(text, quote=False)
    for sign in "\\`*_[|~":
        escaped = escaped.replace(sign, f"&#{ord(sign)};")
    return escaped
