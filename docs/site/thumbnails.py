"""The small copies of figures: on the cards of the index, and for screens that need no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from layout import Example, GalleryError
from PIL import Image, ImageOps
from records import FigureRecord, load

WIDTH, HEIGHT = 320, 200
"""Size on the page in CSS pixels."""

_DENSITY, _QUALITY = 1.5, 76
# Wider figures are cut, since a strip that is thinner cannot be made out.
_WIDEST = 2.4
# How far a cut may move to fall between two panels, as a share of what would be kept.
_MOVES = 0.6
# A single panel that is longer than this, as a share of what would be kept, is cut through.
_BEARABLE = 1.8
# A colour bar runs along the gaps between panels, and is no reason not to cut there.
_STRAY = 0.035
# Height of a line of small print, as a share of the figure's width.
_SMALL_PRINT = 0.02

COPY_WIDTH, COPY_QUALITY = 1100, 80
"""Of a figure's small copy, which a page shows; the figure itself is a click away."""


def make(example: Example) -> FigureRecord | None:
    """Make the small pictures of an example, unless they exist.

    Args:
        example: The example.

    Returns:
        The figure that was chosen for the card, or None where the example draws nothing.

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
        for figure in figures:
            small = example.small_figure(figure.number, scheme)
            if not small.is_file():
                _copy(example.figure(figure.number, scheme), small)
    return figures[number - 1]


def _copy(figure: Path, small: Path) -> None:
    with Image.open(figure) as picture:
        picture.thumbnail((COPY_WIDTH, picture.height), Image.Resampling.LANCZOS)
        picture.save(small, quality=COPY_QUALITY, method=4, use_sharp_yuv=True)
    # Flat colours and letters can take less without any loss.
    if small.stat().st_size >= figure.stat().st_size:
        shutil.copyfile(figure, small)


def _shrink(figure: Path, thumbnail: Path) -> None:
    thumbnail.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(figure) as picture:
        paper = picture.getpixel((0, 0))
        size = round(_DENSITY * WIDTH), round(_DENSITY * HEIGHT)
        kept = picture.crop((0, 0, *_window(np.asarray(picture.convert("RGB")))))
        small = ImageOps.pad(kept, size, Image.Resampling.LANCZOS, color=paper)
        small.save(thumbnail, quality=_QUALITY, method=6)


def _window(pixels: np.ndarray) -> tuple[int, int]:
    """Width and height of the part that a card shows, from the upper left corner.

    Small panels are not shrunk until nothing can be made out: tall figures lose rows and very wide
    ones columns. A cut falls between two panels, never through a line of text, and a line of
    small print at the foot goes.
    """
    width = pixels.shape[1]
    drawn = (pixels != pixels[0, 0]).any(axis=2)
    runs = _blank(drawn.mean(axis=1), stray=0)
    for (above, start), (below, _) in zip(runs[-2:-1], runs[-1:], strict=False):
        if 0 < below - start < _SMALL_PRINT * width:
            drawn = drawn[: (above + start) // 2]
    bottom = _cut(drawn.mean(axis=1), round(width * HEIGHT / WIDTH))
    right = _cut(drawn[:bottom].mean(axis=0), round(bottom * _WIDEST))
    return right, bottom


def _cut(shares: np.ndarray, limit: int) -> int:
    """Where to cut a figure whose lines of pixels are drawn on in these shares."""
    if len(shares) <= limit:
        return len(shares)
    runs = [run for run in _blank(shares[:limit]) if run[1] > (1 - _MOVES) * limit]
    # The gap above a title is wider than the one under it, where a cut would part the two.
    longest = max((end - start for start, end in runs), default=0)
    wide = [run for run in runs if run[1] - run[0] >= 0.8 * longest]
    if wide:
        return sum(wide[-1]) // 2
    return len(shares) if len(shares) <= _BEARABLE * limit else limit


def _blank(shares: np.ndarray, stray: float = _STRAY) -> list[tuple[int, int]]:
    """Start and end of the runs of lines with at most a stray share drawn on."""
    edges = np.diff(np.concatenate(([0], shares <= stray, [0])).astype(int))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]
