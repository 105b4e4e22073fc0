"""Attention heads as heat maps: one head, or all heads of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.labels import (
    figure_of,
    heads_of,
    label_axis,
    shown,
    values_of,
    visible_cells,
)
from interpviz.render.style import ATTENTION_CMAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

WEIGHT = "attention weight"
QUERY = "query (attends)"
KEY = "key (is attended to)"

COLUMNS, SIDE = 4, 2.2
"""Heads beside each other in a grid at most, so that a page is wide enough, and their size."""


def head_heatmap(
    weights: Any,
    tokens: Sequence[str],
    ax: Axes | None = None,
    *,
    title: str | None = None,
    cmap: str | Colormap = ATTENTION_CMAP,
    mask: Any = None,
    vmax: float | None = None,
    colorbar: bool = True,
    raw_tokens: bool = False,
    key_tokens: Sequence[str] | None = None,
) -> Figure:
    """Draw what each token of a sequence attends to, for one head.

    Args:
        weights: Shape `(query, key)`, array or tensor. NaN is left blank.
        tokens: One token a query, and a key where `key_tokens` is None.
        ax: Where to draw; a new figure if left out.
        title: Title of the picture.
        cmap: Colour map.
        mask: Boolean, `(query, key)`: True where a cell is drawn. Others are left blank.
        vmax: Weight at the upper end of the colours; the greatest weight if left out.
        colorbar: Whether to draw a colour bar.
        raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
        key_tokens: The tokens of the keys, where they are others (cross-attention).

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The tokens or the mask do not match the weights.
    """
    values = values_of(weights)
    if values.ndim != 2:
        raise InputError(f"One head has the shape (query, key), but this has {values.shape}.")
    heads, keys = heads_of(values, tokens, key_tokens)
    cells = visible_cells(heads, mask)[0]
    figure, ax = figure_of(ax, _square(cells.shape, bar=colorbar))
    picture = draw_cells(ax, cells, cmap, vmax)
    size = 8.0 if len(tokens) <= 40 else 7.0
    label_axis(ax.yaxis, shown(tokens, raw_tokens), size)
    label_axis(ax.xaxis, shown(keys, raw_tokens), size)
    ax.set_ylabel(QUERY)
    ax.set_xlabel(KEY)
    if title:
        ax.set_title(title, parse_math=False)
    if colorbar:
        figure.colorbar(picture, ax=ax, label=WEIGHT, fraction=0.046, pad=0.03)
    return figure


def heads_grid(
    weights: Any,
    tokens: Sequence[str],
    *,
    title: str | None = None,
    cmap: str | Colormap = ATTENTION_CMAP,
    mask: Any = None,
    vmax: float | None = None,
    raw_tokens: bool = False,
    key_tokens: Sequence[str] | None = None,
) -> Figure:
    """Draw all heads of a layer in a grid, on one scale of colours.

    Args:
        weights: Shape `(heads, query, key)`, array or tensor. NaN is left blank.
        tokens: One token a query, and a key where `key_tokens` is None.
        title: Title of the figure.
        cmap: Colour map.
        mask: Boolean, `(query, key)`: True where a cell is drawn. Others are left blank.
        vmax: Weight at the upper end of the colours; the greatest of all heads if left out.
        raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
        key_tokens: The tokens of the keys, where they are others (cross-attention).

    Returns:
        A new figure.

    Raises:
        InputError: The tokens or the mask do not match the weights.
    """
    import matplotlib.pyplot as plt

    heads, keys = heads_of(weights, tokens, key_tokens)
    cells = visible_cells(heads, mask)
    count = len(cells)
    widest = min(count, COLUMNS)
    columns = min((widest, max(widest - 1, 1)), key=lambda width: -count % width)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(SIDE * columns + 1.4, SIDE * rows + 1.1),
        layout="compressed",
        squeeze=False,
    )
    top = float(np.nanmax(cells.filled(0.0))) if vmax is None else vmax
    query_texts, key_texts = shown(tokens, raw_tokens), shown(keys, raw_tokens)
    pictures = []
    for place, ax in enumerate(axes.flat):
        if place >= count:
            ax.set_axis_off()
            continue
        pictures.append(draw_cells(ax, cells[place], cmap, top))
        ax.set_title(f"Head {place}", fontsize="medium", pad=3)
        label_axis(ax.yaxis, query_texts, 7.0)
        label_axis(ax.xaxis, key_texts, 7.0)
        # Labels on the outer edge only; the head above an empty place is on that edge too.
        ax.tick_params(labelleft=place % columns == 0, labelbottom=place + columns >= count)
    figure.supylabel(QUERY, fontsize="medium")
    figure.supxlabel(KEY, fontsize="medium")
    figure.colorbar(pictures[0], ax=axes, label=WEIGHT, shrink=0.6, aspect=30, pad=0.02)
    if title:
        figure.suptitle(title, parse_math=False)
    return figure


def _square(shape: tuple[int, ...], bar: bool) -> tuple[float, float]:
    """Size of a figure with one head in which labels have room, in inches."""
    queries, keys = shape
    height = float(np.clip(0.2 * queries, 2.4, 8.5))
    width = float(np.clip(0.2 * keys, 2.4, 8.5))
    return width + (2.2 if bar else 1.3), height + 1.5


def draw_cells(
    ax: Axes, cells: np.ma.MaskedArray[Any, Any], cmap: str | Colormap, vmax: float | None
) -> AxesImage:
    """Draw weights as cells in colours that begin at zero.

    Args:
        ax: Where to draw.
        cells: Shape `(query, key)`; masked cells are left blank.
        cmap: Colour map.
        vmax: Weight at the upper end of the colours; the greatest weight if None.
    """
    top = float(cells.max()) if vmax is None and cells.count() else vmax
    # A head without any weight still needs a scale of some length.
    return ax.imshow(cells, cmap=cmap, vmin=0.0, vmax=top or 1.0)
