"""The types of heads as a picture: layers by heads, told by colour and by letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError, nearest
from interpviz.render.labels import figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

HEAD_TYPE_STYLES = {
    "previous token": ("Pr", "#002080"),
    "next token": ("Ne", "#4aaff7"),
    "self": ("Se", "#185af2"),
    "first token": ("Fi", "#efae3a"),
    "induction": ("In", "#a6399d"),
    "duplicate token": ("Du", "#ff4f4f"),
    "separator": ("Sp", "#f0e97f"),
    "local": ("Lo", "#0c5c59"),
    "dilated": ("Di", "#a1e6da"),
    "global": ("Gl", "#661b02"),
    "uniform": ("Un", "#b2afaf"),
}
"""Letters and colour of each type, in the order of the legend.

Blues and greens look at places, yellows and browns at a few fixed tokens, reds at repeated tokens.
Any two of them stay apart for readers with protanopia, deuteranopia or tritanopia.
"""

CELL = 0.36
"""Width and height of a head in inches, where the figure is free to choose."""


def head_type_map(names: Any, ax: Axes | None = None, *, title: str | None = None) -> Figure:
    """Draw the type of every head of every layer.

    Each head is a cell in the colour of its type with two letters, which the legend explains and
    which shrink to fit. A head without a type is left in the colour of the page.

    Args:
        names: Shape `(layers, heads)`, keys of `HEAD_TYPE_STYLES` or `"none"`.
        ax: Where to draw; a new figure if left out.
        title: Title of the picture.

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The names do not have two dimensions, or one is unknown.
    """
    from matplotlib.ticker import MaxNLocator

    table = np.asarray(names, dtype=str)
    if table.ndim != 2 or 0 in table.shape:
        raise InputError(f"The names need the shape (layers, heads), not {table.shape}.")
    known = [*HEAD_TYPE_STYLES, "none"]
    for name in np.unique(table):
        if name not in known:
            raise InputError(f"There is no type of head {str(name)!r}. {nearest(name, known)}")
    layers, heads = table.shape
    figure, ax = figure_of(ax, (max(CELL * heads, 1.2) + 2.4, max(CELL * layers, 1.2) + 0.9))
    _draw_cells(ax, table)
    for axis, name in ((ax.xaxis, "head"), (ax.yaxis, "layer")):
        axis.set_major_locator(MaxNLocator(nbins=16, integer=True, min_n_ticks=1))
        axis.set_label_text(name)
        axis.set_tick_params(length=0)
    ax.set(xlim=(-0.5, heads - 0.5), ylim=(layers - 0.5, -0.5), aspect="equal")
    _draw_legend(ax, table)
    if title:
        ax.set_title(title, parse_math=False)
    return figure


def _draw_cells(ax: Axes, table: np.ndarray) -> None:
    """The coloured cells with their letters."""
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.transforms import Affine2D

    letters = {name: _letters(code) for name, (code, _) in HEAD_TYPE_STYLES.items()}
    for (layer, head), name in np.ndenumerate(table):
        if name == "none":
            ax.add_patch(Rectangle((head - 0.06, layer - 0.06), 0.12, 0.12, color="0.6"))
            continue
        color = HEAD_TYPE_STYLES[name][1]
        ax.add_patch(Rectangle((head - 0.46, layer - 0.46), 0.92, 0.92, color=color, lw=0))
        place = Affine2D().translate(head, layer)
        ax.add_patch(PathPatch(place.transform_path(letters[name]), color=_ink(color), lw=0))


def _letters(code: str) -> Path:
    """Letters around the origin, as outlines that grow with the cell, unlike text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    path = TextPath((0, 0), code, size=0.5, prop=FontProperties(weight="bold"))
    box = path.get_extents()
    # Rows count downwards, so the letters are turned over.
    place = Affine2D().translate(-box.x0 - box.width / 2, -0.18).scale(1, -1)
    return place.transform_path(path)


def _ink(color: str) -> str:
    """Black or white, whichever stands out more from a colour."""
    from matplotlib.colors import to_rgb

    linear = np.array(to_rgb(color)) ** 2.2
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.18 else "white"


def _draw_legend(ax: Axes, table: np.ndarray) -> None:
    """The types that occur, with their letters and how many heads have them."""
    from matplotlib.artist import Artist
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    present = [name for name in HEAD_TYPE_STYLES if (table == name).any()]
    handles: list[Artist] = [
        Patch(
            color=HEAD_TYPE_STYLES[name][1],
            label=f"{HEAD_TYPE_STYLES[name][0]}  {name} ({(table == name).sum()})",
        )
        for name in present
    ]
    if (table == "none").any():
        label = f"      none ({(table == 'none').sum()})"
        handles.append(Line2D([], [], color="0.6", marker="s", ms=3, ls="", label=label))
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        frameon=False,
        fontsize="small",
        handlelength=1,
    )
