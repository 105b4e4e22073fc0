"""Numbers over layers and heads, and attention patterns, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.labels import figure_of, values_of
from interpviz.render.style import ATTENTION_CMAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def layer_head_heatmap(
    values: Any,
    ax: Axes | None = None,
    *,
    label: str = "",
    title: str | None = None,
    cmap: str | Colormap = ATTENTION_CMAP,
    vmin: float | None = None,
    vmax: float | None = None,
    mark: Sequence[Sequence[int]] | None = None,
) -> Figure:
    """Draw one number for every head of every layer.

    Args:
        values: Shape `(layers, heads)`, array or tensor. NaN is left blank.
        ax: Where to draw; a new figure if left out.
        label: What the numbers are, with their unit, beside the colour bar.
        title: Title of the picture.
        cmap: Colour map.
        vmin: Value at the lower end of the colours; the least value if left out.
        vmax: Value at the upper end of the colours; the greatest value if left out.
        mark: Heads to frame, as pairs of layer and head, counted from 0.

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The values do not have two dimensions, or a marked head does not exist.
    """
    from matplotlib.ticker import MaxNLocator

    table = values_of(values)
    if table.ndim != 2 or 0 in table.shape:
        raise InputError(f"The values need the shape (layers, heads), not {table.shape}.")
    layers, heads = table.shape
    framed = _cells(mark, table.shape)
    size = (float(np.clip(0.4 * heads, 2.2, 8.0)) + 1.8, float(np.clip(0.4 * layers, 1.6, 8.0)) + 1)
    figure, ax = figure_of(ax, size)
    cells = np.ma.masked_invalid(table)
    picture = ax.imshow(cells, cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest")
    for axis, name in ((ax.xaxis, "head"), (ax.yaxis, "layer")):
        axis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
        axis.set_label_text(name)
        axis.set_tick_params(length=0)
    for layer, head in framed:
        _frame(ax, layer, head)
    if title:
        ax.set_title(title, parse_math=False)
    figure.colorbar(picture, ax=ax, label=label, fraction=0.046, pad=0.03)
    return figure


def _cells(mark: Sequence[Sequence[int]] | None, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """The marked layers and heads, checked against the table."""
    pairs = [] if mark is None else list(mark)
    cells = [tuple(pair) if np.iterable(pair) else (pair,) for pair in pairs]
    for cell in cells:
        whole = all(isinstance(one, int | np.integer) and one >= 0 for one in cell)
        if len(cell) != 2 or not whole or cell[0] >= shape[0] or cell[1] >= shape[1]:
            raise InputError(
                f"There is no head {cell} to mark: a mark is a pair of layer and head, from (0, 0) "
                f"to ({shape[0] - 1}, {shape[1] - 1})."
            )
    return [(int(layer), int(head)) for layer, head in cells]


def _frame(ax: Axes, layer: int, head: int) -> None:
    """Frame one cell with a light and a dark line, one of which is seen on every colour."""
    from matplotlib.patches import Rectangle

    for color, width in (("white", 3.5), ("black", 1.5)):
        ax.add_patch(
            Rectangle(
                (head - 0.5, layer - 0.5),
                1,
                1,
                fill=False,
                edgecolor=color,
                linewidth=width,
                clip_on=False,
            )
        )


def pattern_mask(mask: Any, ax: Axes | None = None, *, title: str | None = None) -> Figure:
    """Draw an attention pattern: which query sees which key.

    Visible pairs are filled, hidden ones are left in the colour of the page.

    Args:
        mask: Boolean, shape `(query, key)`, True where visible.
        ax: Where to draw; a new figure if left out.
        title: Title of the picture.

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The mask does not have two dimensions.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.ticker import MaxNLocator

    cells = np.asarray(mask, dtype=bool)
    if cells.ndim != 2 or 0 in cells.shape:
        raise InputError(f"A mask needs the shape (query, key), not {cells.shape}.")
    figure, ax = figure_of(ax, (3.2, 3.2))
    fill = np.ma.masked_where(~cells, np.ones(cells.shape))
    ax.imshow(fill, cmap=ListedColormap(["C0"]), vmin=0.0, vmax=1.0, interpolation="nearest")
    for axis, name in ((ax.xaxis, "key"), (ax.yaxis, "query")):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        axis.set_label_text(f"{name} position")
    if max(cells.shape) <= 32:
        ax.set_xticks(np.arange(cells.shape[1] + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(cells.shape[0] + 1) - 0.5, minor=True)
        ax.grid(which="minor", linewidth=0.4, alpha=0.5)
        ax.tick_params(which="minor", length=0)
    if title:
        ax.set_title(title, parse_math=False)
    return figure
