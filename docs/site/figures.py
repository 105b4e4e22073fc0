"""Figure capture: every figure of an example becomes a light and a dark picture with its text."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from layout import Example, GalleryError
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from palette import dark, style
from PIL import Image
from records import FigureRecord, load, save
from stale import forget
from workers import settle

# An inch of a figure is 100 CSS pixels wide; twice as many pixels keep it sharp.
DENSITY = 2
DPI = 100 * DENSITY


def before_example(gallery_conf: dict[str, Any], source: Path | None) -> None:
    """Begin an example with the site's figure style and nothing left of its last run.

    Args:
        gallery_conf: The gallery's configuration.
        source: The script that is about to run; None when a folder is entered.
    """
    plt.close("all")
    plt.rcdefaults()
    plt.rcParams.update(style())
    settle()
    if source is None:
        return
    scripts, gallery = gallery_conf["examples_dirs"][0], gallery_conf["gallery_dirs"][0]
    folder = Path(gallery) / Path(source).parent.relative_to(scripts)
    forget(Example(Path(source), folder))


def capture(block: tuple[str, str, int], script: Any) -> str:
    """Save every open figure of a code block, close them, and give the Markdown that shows them.

    Args:
        block: Kind, text and first line of the block.
        script: The gallery plugin's view of the script.

    Returns:
        Markdown for all figures of the block.

    Raises:
        GalleryError: If a figure says nothing about itself.
    """
    example = Example(Path(script.src_py_file), Path(script.gallery.generated_dir))
    recorded = load(example.record)
    parts = []
    try:
        for figure in _open_figures(script.run_vars.example_globals):
            record = write(figure, example, number=len(recorded) + 1)
            recorded.append(record)
            parts.append(markdown(example, record))
    finally:
        plt.close("all")
    save(example.record, recorded)
    return "\n".join(parts)


def _open_figures(example_globals: dict[str, Any]) -> Iterator[Figure]:
    figures = [plt.figure(number) for number in plt.get_fignums()]
    # A figure made without pyplot is shown when it is the last expression, as in a notebook.
    last = example_globals.get("___")
    if isinstance(last, Figure):
        example_globals["___"] = None
        if last not in figures:
            figures.append(last)
    return (figure for figure in figures if figure.axes or figure.texts or figure.images)


def write(figure: Figure, example: Example, number: int) -> FigureRecord:
    """Draw a figure for light and for dark pages and save both.

    Args:
        figure: The figure.
        example: The example that it belongs to.
        number: Its place in the example, from 1.
    """
    alt = description(figure)
    if not alt:
        raise GalleryError(
            f"Figure {number} of {example.key} has no description for readers who cannot see it: "
            "pass it to interpviz.render.describe(figure, text), or give it a title."
        )
    example.images.mkdir(parents=True, exist_ok=True)
    # Laid out once: a second layout may come out a pixel larger.
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    frame = figure.get_tightbbox().padded(0.08)
    size = _save(figure, example.figure(number, "light"), frame)
    with dark(figure):
        _save(figure, example.figure(number, "dark"), frame)
    width, height = (round(side / DENSITY) for side in size)
    return FigureRecord(number, alt, width, height)


def _save(figure: Figure, path: Path, frame: Bbox) -> tuple[int, int]:
    drawn = io.BytesIO()
    colour = figure.get_facecolor()
    figure.savefig(
        drawn,
        format="png",
        dpi=DPI,
        bbox_inches=frame,
        facecolor=colour,
        pil_kwargs={"compress_level": 1},
    )
    with Image.open(drawn) as picture:
        flat = picture.convert("RGB")
    flat.save(path, lossless=True, quality=40, method=2)
    return flat.size


def description(figure: Figure) -> str:
    """What a figure says about itself: its label, else its titles."""
    label = " ".join(str(figure.get_label()).split())
    if label:
        return label
    heading = figure.get_suptitle()
    titles = [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center", "right")]
    named = [" ".join(title.split()) for title in (heading, *titles) if title.strip()]
    return "; ".join(dict.fromkeys(named))


def markdown(example: Example, record: FigureRecord, folder: str = "./images") -> str:
    """The Markdown of a figure: both pictures, of which the page shows the fitting one.

    Args:
        example: The example that it belongs to.
        record: The figure.
        folder: Where its files lie, seen from the page.
    """
    alt, lines = escaped(record.alt), []
    for scheme in ("light", "dark"):
        # The first figure is in view at once; its dark copy, and all others, load when needed.
        eager = record.number == 1 and scheme == "light"
        name = example.figure(record.number, scheme).name
        options = f'width="{record.width}" height="{record.height}"'
        options += "" if eager else " loading=lazy"
        lines.append(f"![{alt}]({folder}/{name}#only-{scheme}){{ {options} }}")
    return '<div class="iv-figure" markdown>\n\n' + "\n".join(lines) + "\n\n</div>\n"


def escaped(text: str) -> str:
    """Keep Markdown from reading signs in an alternative text as markup."""
    return re.sub(r"([\\`*_{}\[\]()#+!.-])", r"\\\1", html.escape(text, quote=False))
