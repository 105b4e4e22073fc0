"""Attention matrices of one text beside each other, such as rollout against raw weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.heads import KEY, QUERY, WEIGHT
from interpviz.render.labels import heads_of, label_axis, shown, values_of
from interpviz.render.scales import beyond, colour_scale
from interpviz.render.style import SIGNED_CMAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["compare_attention"]

WIDE = 28
"""Tokens from which on two panels beside each other leave their labels no room."""


def compare_attention(
    named: Mapping[str, Any],
    tokens: Sequence[str],
    *,
    key_tokens: Sequence[str] | None = None,
    title: str | None = None,
    shared: bool = True,
    difference: bool = False,
    label: str = WEIGHT,
    cmap: str | Colormap | None = None,
    vmax: float | None = None,
    columns: int | None = None,
    raw_tokens: bool = False,
) -> Figure:
    """Draw several attention matrices of one text, for example rollout against raw weights.

    Args:
        named: A name for each matrix of shape `(query, key)`, array or tensor, such as
            `{"raw": raw, "rollout": rolled}`. NaN is left blank.
        tokens: One token a query, and a key where `key_tokens` is None.
        key_tokens: The tokens of the keys, where they are others (cross-attention).
        title: Title of the figure.
        shared: Whether all have one scale of colours and one bar; else each has its own.
        difference: Whether a last panel shows the first matrix minus the second.
        label: What the numbers are, beside the colour bar.
        cmap: Colour map; a sequential one, or a diverging one where numbers are negative, if left
            out.
        vmax: Number at the upper end of the colours; the greatest if left out.
        columns: How many panels stand in a row, 1 or 2; by default 2 for a short text, and 1 for
            a long one, whose labels need the room.
        raw_tokens: Show the tokens as they are, with the marks of the tokenizer.

    Returns:
        A new figure.

    Raises:
        InputError: There is no matrix, one does not match the tokens, or a difference is asked
            for where there is one matrix only.
    """
    matrices = _matrices(named, tokens, key_tokens, difference)
    keys = tokens if key_tokens is None else key_tokens
    if columns not in (None, 1, 2):
        raise InputError(f"There are 1 or 2 columns, not {columns}.")
    wide = max(len(tokens), len(keys)) > WIDE
    columns = columns or (1 if wide or len(matrices) == 1 else 2)
    everything = np.stack(list(matrices.values()))
    scales = [colour_scale(everything if shared else m, cmap, vmax=vmax) for m in everything]
    figure, panels, group = _panels(everything.shape, columns, difference, shared)
    for ax, (name, matrix), scale in zip(panels, matrices.items(), scales, strict=False):
        _cells(ax, matrix, name, scale)
        if not shared:
            _bar(figure, ax, scale, matrix, label)
    if shared:
        _bar(figure, group, scales[0], everything, label)
    if difference:
        _difference(figure, panels[-1], matrices, beside=shared and columns == 2)
    _label(panels, columns, shown(tokens, raw_tokens), shown(keys, raw_tokens))
    figure.supylabel(QUERY, fontsize="medium")
    figure.supxlabel(KEY, fontsize="medium")
    if title:
        figure.suptitle(title, parse_math=False)
    return figure


def _matrices(
    named: Mapping[str, Any],
    tokens: Sequence[str],
    key_tokens: Sequence[str] | None,
    difference: bool,
) -> dict[str, np.ndarray]:
    """The matrices, checked against their tokens and each other."""
    if not isinstance(named, Mapping) or not named:
        raise InputError(
            "Attention is compared by name: pass matrices as {'raw': raw, 'rollout': rolled}."
        )
    matrices = {str(name): values_of(matrix) for name, matrix in named.items()}
    for name, matrix in matrices.items():
        if matrix.ndim != 2:
            raise InputError(
                f"{name!r} has the shape {matrix.shape}, but a matrix (query, key) is compared: "
                "choose one sequence, and one head or the mean of the heads."
            )
        heads_of(matrix, tokens, key_tokens)
    if difference and len(matrices) < 2:
        raise InputError("A difference needs two matrices, but there is one.")
    return matrices


def _panels(
    shape: tuple[int, ...], columns: int, difference: bool, shared: bool
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Axes for the panels, that of the difference last, and those that a shared bar stands by."""
    import matplotlib.pyplot as plt

    count, queries, keys = shape
    rows = -(-count // columns)
    # Beside a shared bar the difference, which has its own, begins a new row.
    total = rows + 1 if difference and shared else -(-(count + int(difference)) // columns)
    side = float(np.clip(0.16 * max(queries, keys), 2.3, 3.0 if columns == 2 else 6.0))
    # Few queries with many keys, as in decoding with a cache, would leave a square half empty.
    width = max(side * min(1.0, keys / queries), 1.6)
    height = max(side * min(1.0, queries / keys), 0.9)
    # Narrow pictures moved close together would leave no room for their titles.
    layout = "constrained" if side * keys / queries < width else "compressed"
    bars = 0.8 if shared else 0.85 * columns
    figure, grid = plt.subplots(
        total,
        columns,
        figsize=(columns * width + 1.1 + bars, total * (height + 0.45) + 1.3),
        layout=layout,
        squeeze=False,
    )
    panels = list(grid.flat[:count])
    if difference:
        panels.append(grid[rows, 0] if shared else grid.flat[count])
    for ax in grid.flat:
        if not any(ax is panel for panel in panels):
            ax.set_axis_off()
    return figure, panels, list(grid[:rows].flat)


def _cells(ax: Axes, matrix: np.ndarray, name: str, scale: ScalarMappable) -> None:
    cells = np.ma.masked_invalid(matrix)
    low, high = scale.get_clim()
    ax.imshow(cells, cmap=scale.cmap, vmin=low, vmax=high, interpolation="nearest")
    # About 13 letters of a title fit into an inch.
    figure, place = ax.get_figure(root=True), ax.get_position()
    letters = max(13 * place.width * figure.get_figwidth(), 16)  # type: ignore[union-attr]
    lines = "\n".join(wrap(name, int(letters)))
    ax.set_title(lines, fontsize="medium", pad=4, parse_math=False)


def _bar(
    figure: Figure,
    axes: Axes | list[Axes],
    scale: ScalarMappable,
    values: np.ndarray,
    label: str,
    cax: Axes | None = None,
) -> None:
    where: dict[str, Any] = {"ax": axes, "pad": 0.03}
    if cax is not None:
        where = {"cax": cax}
    elif isinstance(axes, list) and len(axes) > 1:
        # The pictures stay in the middle of their places, like that of the difference.
        where |= {"shrink": 0.7, "aspect": 30, "panchor": False}
    else:
        where |= {"fraction": 0.046}
    bar = figure.colorbar(scale, extend=beyond(scale, values), **where)
    bar.set_label(label, parse_math=False)


def _difference(figure: Figure, ax: Axes, matrices: Mapping[str, np.ndarray], beside: bool) -> None:
    """The first matrix minus the second; `beside` puts the bar into the empty place beside it."""
    first, second = list(matrices)[:2]
    gap = matrices[first] - matrices[second]
    finite = np.abs(gap[np.isfinite(gap)])
    greatest = (float(finite.max()) if finite.size else 0.0) or 1.0
    scale = colour_scale(gap, SIGNED_CMAP, -greatest, greatest)
    _cells(ax, gap, f"{first} minus {second}", scale)
    cax = None
    if beside:
        cax = ax.inset_axes((1.05, 0.0, 0.05, 1.0), label="<colorbar>")
        # A bar within the layout would push the columns apart.
        cax.set_in_layout(False)
    _bar(figure, ax, scale, gap, "difference", cax)


def _label(
    panels: Sequence[Axes], columns: int, queries: Sequence[str], keys: Sequence[str]
) -> None:
    """The tokens, on the outer edge only."""
    places: dict[Any, int] = {}
    for ax in panels:
        cell = ax.get_subplotspec()
        assert cell is not None
        places[ax] = cell.num1
        label_axis(ax.yaxis, queries, 8.0 if len(queries) <= 40 else 7.0)
        label_axis(ax.xaxis, keys, 8.0 if len(keys) <= 40 else 7.0)
    for ax, place in places.items():
        below = place + columns in places.values()
        ax.tick_params(labelleft=place % columns == 0, labelbottom=not below)
