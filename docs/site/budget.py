"""What an example may cost: processor seconds and memory."""

from __future__ import annotations

import os
import re

from layout import Example, GalleryError
from timing import Run

SECONDS = 120.0
"""Processor seconds that an example may take, on a slow and busy machine too."""
GIGABYTES = 3.0
"""Memory that the process may reach while an example runs."""

VARIABLE = "INTERPVIZ_BUDGET"

# Comments with this prefix are left out of the page by the gallery plugin.
_OWN = re.compile(
    r"^[ \t]*#\s*mkdocs_gallery_budget_(seconds|gigabytes)\s*=\s*(\S+)[ \t]*$", re.MULTILINE
)


def strict() -> bool:
    """Whether an example over its budget fails the build.

    Raises:
        GalleryError: If the environment variable holds neither nothing nor `strict`.
    """
    said = os.environ.get(VARIABLE, "")
    if said not in ("", "strict"):
        raise GalleryError(f"{VARIABLE} is {said!r}: set it to 'strict', or not at all.")
    return said == "strict"


def limits(example: Example) -> tuple[float, float]:
    """The processor seconds and the gigabytes that an example may use.

    A script that needs more says so: `# mkdocs_gallery_budget_seconds = 200`,
    `# mkdocs_gallery_budget_gigabytes = 4`.

    Raises:
        GalleryError: If what the script says is not a positive number.
    """
    own = {"seconds": SECONDS, "gigabytes": GIGABYTES}
    for what, number in _OWN.findall(example.text):
        try:
            own[what] = float(number)
        except ValueError:
            own[what] = 0.0
        if own[what] <= 0:
            raise GalleryError(
                f"{example.source}: mkdocs_gallery_budget_{what} is {number}, "
                "but it has to be a positive number."
            )
    return own["seconds"], own["gigabytes"]


def excess(example: Example, run: Run) -> str | None:
    """Say by how much an example is over its budget; None where it is not."""
    seconds, gigabytes = limits(example)
    over = []
    if run.cpu_seconds > seconds:
        over.append(f"{run.cpu_seconds:.1f} s of processor time, over its {seconds:g} s")
    if run.peak_mb > 1000 * gigabytes:
        over.append(f"{run.peak_mb / 1000:.1f} GB of memory, over its {gigabytes:g} GB")
    return f"{example.key} took {' and '.join(over)}" if over else None
