"""All heads of all layers of a model on one page, as small multiples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.color_bar import color_bar_below
from interpviz.render.labels import figure_of, label_axis, values_of, visible_cells
from interpviz.render.style import ATTENTION_CMAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

CELLS = 64
"""Cells along the longer side of a thumbnail at most; more could not be told apart."""

FULL = 0.99
"""Share of a head's weights that its own scale of colours covers."""

WIDTH, HEIGHT, LARGEST = 7.2, 16.0, 1.1
"""What all thumbnails together take at most, and the side of one at most, in inches."""


def all_heads_grid(
    weights: Any,
    *,
    layer_names: Sequence[str] | None = None,
    head_names: Sequence[str] | None = None,
    title: str | None = None,
    cmap: str | Colormap = ATTENTION_CMAP,
    mask: Any = None,
    vmax: float | None = None,
    power: float = 0.5,
    per_head: bool = False,
) -> Figure:
    """Draw every head of every layer as a thumbnail, to find the heads worth a closer look.

    A row is a layer, a column is a head. In a thumbnail the queries run down and the keys to the
    right, as in `head_heatmap`. Long sequences are made smaller by taking the greatest weight of
    each block of cells, so that a diagonal one token wide is still seen.

    The colours follow the square root of the weights by default: most heads spread their weights,
    and on a linear scale all but the sharpest would look empty. One scale for all heads tells sharp
    heads from spread ones. A scale for each head shows the pattern of every head and hides how
    strong it is; it ends at the 99th percentile of the head's weights that are not zero, because
    the greatest is no measure: the first token of a causal model always gives itself all.

    Args:
        weights: Shape `(layers, heads, query, key)`, array or tensor, or one array or tensor
            `(heads, query, key)` a layer. Layers may differ in their number of heads. NaN is left
            blank.
        layer_names: One name a layer; their numbers if left out.
        head_names: One name a head; their numbers if left out.
        title: Title of the figure.
        cmap: Colour map.
        mask: Boolean, `(query, key)`: True where a cell is drawn. Others are left blank.
        vmax: Weight at the upper end of the colours; the greatest of all heads if left out. With
            `per_head` the multiple of a head's 99th percentile, 1 if left out.
        power: The colours follow the weights to this power: 1.0 is a linear scale, and less shows
            weak weights.
        per_head: Whether each head has its own scale of colours.

    Returns:
        A new figure. Its picture is one image, `figure.axes[0].images[0]`, with thumbnail
        `(layer, head)` centred at the data position `(head, layer)`.

    Raises:
        InputError: The layers differ in their tokens, or names or mask do not match the weights.
    """
    from matplotlib.colors import PowerNorm

    if power <= 0:
        raise InputError(f"The power of the colours must be positive, not {power}.")
    layers = _layers(weights)
    rows, columns = len(layers), max(len(layer) for layer in layers)
    row_names = _names(layer_names, rows, "layers")
    column_names = _names(head_names, columns, "heads")
    block = -(-max(layers[0].shape[1:]) // CELLS)
    thumbnails = [_thumbnails(layer, mask, block, per_head) for layer in layers]
    picture = _mosaic(thumbnails, columns)
    high, wide = picture.shape[0] / rows, picture.shape[1] / columns
    side = min(WIDTH / columns, HEIGHT / rows * wide / high, LARGEST)
    named = max(map(len, row_names)) * 0.08
    extent = side * columns, side * high / wide * rows
    figure, ax = figure_of(None, (max(extent[0] + named + 0.5, 4.2), extent[1] + 1.6))
    top = vmax if vmax is not None else 1.0 if per_head else _greatest(picture)
    image = ax.imshow(
        picture,
        cmap=cmap,
        norm=PowerNorm(power, vmin=0.0, vmax=top, clip=per_head),
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        aspect=high / wide,
    )
    _frame(ax, row_names, column_names, numbered=head_names is None)
    color_bar_below(ax, image, _scale(block, power, per_head), extent)
    if title:
        figure.suptitle(title, parse_math=False)
    return figure


def _layers(weights: Any) -> list[np.ndarray]:
    """The heads of each layer, checked."""
    whole = hasattr(weights, "shape")
    layers = list(values_of(weights) if whole else map(values_of, weights))
    if not layers or any(layer.ndim != 3 or 0 in layer.shape for layer in layers):
        shapes = sorted({layer.shape for layer in layers})
        raise InputError(
            "All heads of a model need the shape (layers, heads, query, key), or "
            f"(heads, query, key) for each layer, but the layers have the shapes {shapes}."
        )
    sizes = sorted({layer.shape[1:] for layer in layers})
    if len(sizes) > 1:
        raise InputError(
            f"The layers differ in (query, key), which are {sizes}: draw those of one size at once."
        )
    return layers


def _names(names: Sequence[str] | None, count: int, what: str) -> list[str]:
    if names is None:
        return [str(place) for place in range(count)]
    if len(names) != count:
        raise InputError(f"{len(names)} names were given for {count} {what}.")
    return [str(name) for name in names]


def _thumbnails(
    heads: np.ndarray, mask: Any, block: int, per_head: bool
) -> np.ma.MaskedArray[Any, Any]:
    """The heads of a layer, made smaller by the greatest weight of each block of cells."""
    cells: Any = visible_cells(heads, mask).astype(np.float32)
    if per_head:
        for place, head in enumerate(cells):
            seen = head.compressed()
            seen = seen[seen > 0]
            cells[place] = head / (np.quantile(seen, FULL) if seen.size else 1.0)
    queries, keys = heads.shape[1:]
    pad = (0, 0), (0, -queries % block), (0, -keys % block)
    # Negative infinity is what no weight is less than: it stays only where nothing is seen.
    full = np.pad(cells.filled(-np.inf), pad, constant_values=-np.inf)
    rows, columns = full.shape[1] // block, full.shape[2] // block
    small = full.reshape(len(heads), rows, block, columns, block).max(axis=(2, 4))
    blank = np.isneginf(small)
    return np.ma.masked_array(np.where(blank, np.float32(0.0), small), blank)


def _mosaic(
    layers: Sequence[np.ma.MaskedArray[Any, Any]], columns: int
) -> np.ma.MaskedArray[Any, Any]:
    """All thumbnails in one image, with blank lines between them."""
    queries, keys = layers[0].shape[1:]
    # Short sequences get more pixels a cell, so that the lines between are finer than a cell.
    grow = max(1, CELLS // max(queries, keys))
    gap = max(2, round(0.06 * grow * max(queries, keys)))
    high, wide = queries * grow + gap, keys * grow + gap
    shape = (len(layers), high, columns, wide)
    picture = np.ma.masked_array(np.zeros(shape, np.float32), np.ones(shape, bool))
    for row, layer in enumerate(layers):
        large = layer.repeat(grow, axis=1).repeat(grow, axis=2)
        start = gap // 2
        place = picture[row, start : start + queries * grow, :, start : start + keys * grow]
        place[:, : len(layer)] = large.swapaxes(0, 1)
    return picture.reshape(len(layers) * high, columns * wide)


def _greatest(picture: np.ma.MaskedArray[Any, Any]) -> float:
    # A model without any weight still needs a scale of some length.
    return float(picture.max()) or 1.0 if picture.count() else 1.0


def _frame(ax: Axes, rows: Sequence[str], columns: Sequence[str], *, numbered: bool) -> None:
    """Layers at the left and heads on top."""
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.xaxis.set_label_position("top")
    ax.xaxis.tick_top()
    label_axis(ax.yaxis, rows, 8.0)
    label_axis(ax.xaxis, columns, 8.0, upright=not numbered)
    ax.set_ylabel("layer")
    ax.set_xlabel("head")


def _scale(block: int, power: float, per_head: bool) -> str:
    """What the colours mean, in as few words as there is room for."""
    scale = {0.5: "square-root scale", 1.0: "linear scale"}.get(power, f"to the power {power:g}")
    weight = "weight over the head's 99th percentile,\n" if per_head else "attention weight, "
    blocks = "" if block == 1 else f"\ngreatest of each {block} × {block} tokens"
    return weight + scale + blocks
