"""The small pictures of the gallery's index."""

from __future__ import annotations

from pathlib import Path

from layout import Example, GalleryError
from PIL import Image, ImageOps
from records import FigureRecord, load

WIDTH, HEIGHT = 400, 250
"""Size on the page in CSS pixels; the file holds twice as many."""

_QUALITY = 82


def make(example: Example) -> FigureRecord | None:
    """Make the small pictures of an example, unless they exist.

    Args:
        example: The example.

    Returns:
        The figure that was chosen, or None where the example draws nothing.

    Raises:
        GalleryError: If the script chooses a figure that it does not draw.
    """
    figures, number = load(example.record), example.thumbnail_number
    if not figures:
        return None
    if number > len(figures):
        raise GalleryError(
            f"{example.source}: mkdocs_gallery_thumbnail_number is {number}, "
            f"but the script draws {len(figures)} figures."
        )
    for scheme in ("light", "dark"):
        if not example.thumbnail(scheme).is_file():
            _shrink(example.figure(number, scheme), example.thumbnail(scheme))
    return figures[number - 1]


def _shrink(figure: Path, thumbnail: Path) -> None:
    thumbnail.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(figure) as picture:
        # Wide rows of panels and tall grids are cut, not shrunk until nothing can be made out;
        # titles stand at the top and the first panel at the left, so that corner stays.
        small = ImageOps.fit(
            picture, (2 * WIDTH, 2 * HEIGHT), Image.Resampling.LANCZOS, centering=(0, 0)
        )
        small.save(thumbnail, quality=_QUALITY, method=6)
