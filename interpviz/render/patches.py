"""Numbers on the patches of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.labels import figure_of, values_of
from interpviz.render.style import ATTENTION_CMAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def patch_map(
    values: Any,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    cmap: str | Colormap = ATTENTION_CMAP,
    image: Any = None,
    mark: tuple[int, int] | None = None,
) -> Figure:
    """Draw one number a patch, alone or over the picture.

    Args:
        values: Shape `(rows, columns)`, array or tensor, at least 0.
        ax: Where to draw; a new figure if left out.
        title: Title of the picture.
        cmap: Colour map.
        image: A picture beneath: an array of shape `(h, w, 3)` or `(h, w)`, or a PIL image.
        mark: Row and column of a patch to frame, for example the one that attends.

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The values do not have two dimensions.
    """
    from matplotlib.patches import Rectangle

    patches = values_of(values)
    if patches.ndim != 2 or 0 in patches.shape:
        raise InputError(f"Patches need the shape (rows, columns), not {patches.shape}.")
    rows, columns = patches.shape
    figure, ax = figure_of(ax, (5.0, 4.0 * rows / columns + 0.6))
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    if image is not None:
        ax.imshow(np.asarray(image), extent=extent, cmap="gray")
    picture = ax.imshow(
        patches,
        cmap=cmap,
        vmin=0.0,
        vmax=float(patches.max()) or 1.0,
        interpolation="nearest",
        extent=extent,
        alpha=None if image is None else 0.6,
    )
    if mark is not None:
        corner = (mark[1] - 0.5, mark[0] - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="C3", linewidth=2.5))
    ax.set_xticks([])
    ax.set_yticks([])
    if title:
        ax.set_title(title, parse_math=False)
    figure.colorbar(picture, ax=ax, label="attention weight", fraction=0.046, pad=0.03)
    return figure
