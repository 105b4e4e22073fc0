"""What each token of a decoder reads from the encoder's sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.render.color_bar import color_bar_below
from interpviz.render.heads import WEIGHT, draw_cells
from interpviz.render.labels import LINE, figure_of, heads_of, label_axis, shown, visible_cells
from interpviz.render.style import ATTENTION_CMAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

SIDE, WIDTH, HEIGHT, LEAST = 0.34, 7.0, 9.0, 1.7
"""Side of a cell at most, and what all cells together take at most and at least, in inches."""

LETTER = 0.07
"""Width of a letter of a label, in inches."""


def cross_attention(
    weights: Any,
    query_tokens: Sequence[str],
    key_tokens: Sequence[str],
    ax: Axes | None = None,
    *,
    title: str | None = None,
    cmap: str | Colormap = ATTENTION_CMAP,
    mask: Any = None,
    vmax: float | None = None,
    raw_tokens: bool = False,
) -> Figure:
    """Draw what each token of a decoder reads from the encoder, such as a translation's alignment.

    A heat map with the encoder's tokens on top and the decoder's at the left. In each row the
    strongest link has a ring, and its token stands at the right end with its weight, so that a row
    can be read without looking up to the top. Of several heads the mean is shown.

    Many models give most of the weight to the end of the text or to punctuation where they need
    nothing from the source. To see the rest, leave those keys out with `mask`.

    Args:
        weights: Shape `(query, key)` for one head or `(heads, query, key)`, array or tensor. NaN
            is left blank.
        query_tokens: One token a query: the decoder's.
        key_tokens: One token a key: the encoder's.
        ax: Where to draw; a new figure if left out.
        title: Title of the picture.
        cmap: Colour map.
        mask: Boolean, `(query, key)`: True where a cell is drawn. Others are left blank and are no
            strongest link.
        vmax: Weight at the upper end of the colours; the greatest weight if left out.
        raw_tokens: Show the tokens as they are, with the marks of the tokenizer.

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The tokens or the mask do not match the weights.
    """
    heads, _ = heads_of(weights, query_tokens, key_tokens)
    cells = visible_cells(heads.mean(axis=0, keepdims=True), mask)[0]
    queries, keys = shown(query_tokens, raw_tokens), shown(key_tokens, raw_tokens)
    high, wide = _cell(cells.shape)
    width, height = wide * len(keys), high * len(queries)
    longest, top = max(map(len, queries)), max(map(len, keys))
    figure, ax = figure_of(
        ax, (width + LETTER * (longest + top + 8) + 0.6, height + LETTER * top + 1.7)
    )
    picture = draw_cells(ax, cells, cmap, vmax)
    ax.set_aspect(high / wide)
    size = 8.0 if min(high, wide) * 72 >= 8.0 * LINE else 7.0
    _name(ax, cells, queries, keys, size)
    _ring(ax, cells)
    label = WEIGHT if len(heads) == 1 else f"{WEIGHT},\nmean of {len(heads)} heads"
    color_bar_below(ax, picture, label, (width, height))
    if title:
        ax.set_title(title, parse_math=False)
    return figure


def _cell(shape: tuple[int, ...]) -> tuple[float, float]:
    """Height and width of a cell in inches: a square, unless one text is much the longer."""
    queries, keys = shape
    side = min(SIDE, WIDTH / keys, HEIGHT / queries)
    return max(side, min(SIDE, LEAST / queries)), max(side, min(SIDE, LEAST / keys))


def _name(
    ax: Axes,
    cells: np.ma.MaskedArray[Any, Any],
    queries: Sequence[str],
    keys: Sequence[str],
    size: float,
) -> None:
    """The decoder's tokens at the left, the encoder's on top, and the links at the right."""
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    label_axis(ax.xaxis, keys, size)
    label_axis(ax.yaxis, queries, size)
    ax.set_xlabel("encoder (is read)")
    ax.set_ylabel("decoder (reads)")
    links = ["" if best is None else f"{keys[best]}  {row[best]:.2f}" for row, best in _best(cells)]
    # A twin of axes with a fixed aspect is not allowed.
    right = ax.secondary_yaxis("right")
    label_axis(right.yaxis, links, size)
    right.set_ylabel("reads most")


def _best(
    cells: np.ma.MaskedArray[Any, Any],
) -> list[tuple[np.ma.MaskedArray[Any, Any], int | None]]:
    """Each row with the place of its greatest weight, None where it has none above zero."""
    filled = cells.filled(0.0)
    places = filled.argmax(axis=1)
    return [
        (cells[row], int(place) if filled[row, place] > 0 else None)
        for row, place in enumerate(places)
    ]


def _ring(ax: Axes, cells: np.ma.MaskedArray[Any, Any]) -> None:
    """A ring in the strongest cell of each row, which is seen on any colour."""
    from matplotlib.collections import EllipseCollection

    places = [(best, row) for row, (_, best) in enumerate(_best(cells)) if best is not None]
    for color, width in (("black", 2.0), ("white", 1.0)):
        # In units of a cell, or the rings of long sequences would hide their neighbours.
        rings = EllipseCollection(
            [0.5] * len(places),
            [0.5] * len(places),
            [0.0] * len(places),
            units="xy",
            offsets=places or np.empty((0, 2)),
            offset_transform=ax.transData,
            facecolors="none",
            edgecolors=color,
            linewidths=width * min(1.0, 60 / max(cells.shape)),
        )
        ax.add_collection(rings, autolim=False)
