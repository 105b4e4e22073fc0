"""The colours of figures, and how a drawn figure changes from light to dark.

In a light figure every colour that belongs to the page (its paper, text, lines) has a value
that nothing else uses. For the dark copy exactly those values are exchanged, wherever they
stand, and the colours that carry data stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

PAPER, INK, LINE, GRID, MARK = "#fefefe", "#1b2426", "#829194", "#dde4e5", "#0b6770"
"""The colours of the page in light figures; `MARK` is the site's accent."""

DARK = {
    PAPER: "#14191b",
    INK: "#e4ebec",
    LINE: "#7f9094",
    GRID: "#2c3538",
    MARK: "#63cfc6",
}
"""What takes their place in dark figures."""

# Told apart by colour-blind readers, and bright enough on both papers.
_CYCLE = (MARK, "#d1762a", "#7f7fd1", "#c2558f", "#5f9e3f", "#a8842c")

_PAIRS = (
    ("get_color", "set_color"),
    ("get_facecolor", "set_facecolor"),
    ("get_edgecolor", "set_edgecolor"),
    ("get_markerfacecolor", "set_markerfacecolor"),
    ("get_markeredgecolor", "set_markeredgecolor"),
)


def style(colours: dict[str, str] | None = None) -> dict[str, Any]:
    """The matplotlib settings of figures.

    Args:
        colours: What each colour of the page becomes; nothing for light figures.
    """
    swap = colours or {}
    paper, ink, line, grid = (swap.get(c, c) for c in (PAPER, INK, LINE, GRID))
    return {
        "figure.facecolor": paper,
        "figure.edgecolor": paper,
        "savefig.facecolor": "auto",
        "savefig.edgecolor": "auto",
        "axes.facecolor": paper,
        "axes.edgecolor": line,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "axes.grid": False,
        "axes.prop_cycle": mpl.cycler(color=[swap.get(c, c) for c in _CYCLE]),
        "text.color": ink,
        "xtick.color": line,
        "ytick.color": line,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "grid.color": grid,
        "legend.facecolor": paper,
        "legend.edgecolor": grid,
        "legend.labelcolor": ink,
        "patch.edgecolor": line,
        "hatch.color": line,
        "font.family": ["DejaVu Sans"],
        "svg.hashsalt": "interpviz",
    }


@contextmanager
def dark(figure: Figure) -> Iterator[None]:
    """Turn a figure dark for the length of a `with` block, and back again after it."""
    undo: list[Callable[[], None]] = []
    try:
        for artist in _artists(figure):
            _recolour(artist, undo)
        # Ticks may be made anew when the figure is drawn again.
        with mpl.rc_context(style(DARK)):
            yield
    finally:
        for put_back in reversed(undo):
            put_back()


def _artists(figure: Figure) -> Iterator[Artist]:
    seen: set[int] = set()
    waiting: list[Artist] = [figure]
    while waiting:
        artist = waiting.pop()
        if id(artist) in seen:
            continue
        seen.add(id(artist))
        yield artist
        waiting.extend(artist.get_children())
        # Parts that matplotlib does not list among the children.
        for name in ("patch", "arrow_patch", "legendPatch", "_text"):
            part = getattr(artist, name, None)
            if isinstance(part, Artist):
                waiting.append(part)
        if hasattr(artist, "get_bbox_patch") and artist.get_bbox_patch() is not None:
            waiting.append(artist.get_bbox_patch())


def _recolour(artist: Artist, undo: list[Callable[[], None]]) -> None:
    for getter, setter in _PAIRS:
        if not (hasattr(artist, getter) and hasattr(artist, setter)):
            continue
        before = getattr(artist, getter)()
        after = swapped(before)
        if after is None:
            continue
        put = getattr(artist, setter)
        undo.append(lambda put=put, before=before: put(before))
        put(after)


def swapped(colour: Any) -> Any | None:
    """The dark colour for a light one.

    Args:
        colour: A colour, or an array of colours, as matplotlib gives them.

    Returns:
        The colour or colours for a dark page, or None where nothing changes.
    """
    if isinstance(colour, np.ndarray) and colour.ndim == 2:
        rows = [swapped(tuple(row)) for row in colour]
        if all(row is None for row in rows):
            return None
        pairs = zip(rows, colour, strict=True)
        return np.array([old if new is None else new for new, old in pairs], dtype=float)
    try:
        rgba = to_rgba(colour)
    except (TypeError, ValueError):  # "auto", "inherit", None
        return None
    new = DARK.get(to_hex(rgba))
    return None if new is None else (*to_rgba(new)[:3], rgba[3])
