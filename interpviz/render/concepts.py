"""Several maps over one picture, each in a colour of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interpviz.errors import InputError
from interpviz.render.images import ImageLike, as_rgb, resize, to_numpy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def concept_panels(
    images: Sequence[ImageLike],
    maps: Any,
    labels: Sequence[str],
    *,
    columns: int | None = None,
    alpha: float = 0.75,
) -> Figure:
    """Draw pictures with several maps at once, and a legend of their colours.

    Each pixel takes the colour of its strongest map, as dense as that map is there, over the
    picture in grey, so that the colours keep their meaning.

    Args:
        images: N pictures, as [`as_rgb`][interpviz.render.as_rgb] takes them.
        maps: Array or tensor `(N, k, h, w)` in [0, 1].
        labels: A label for each of the k maps.
        columns: How many pictures stand in a row; by default all, up to five.
        alpha: The share of the colour where a map is 1, in [0, 1].

    Returns:
        A new figure.

    Raises:
        InputError: The numbers of pictures, maps and labels do not match.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    values = to_numpy(maps)
    if values.ndim != 4 or values.shape[:2] != (len(images), len(labels)) or not len(images):
        raise InputError(
            f"Maps of shape {values.shape} do not fit {len(images)} pictures and {len(labels)} "
            "labels: pass one picture an image, and maps (N, k, h, w)."
        )
    pictures = [as_rgb(image) for image in images]
    columns = columns or min(len(pictures), 5)
    rows = -(-len(pictures) // columns)
    aspect = pictures[0].shape[0] / pictures[0].shape[1]
    size = (2.5 * columns, 2.5 * aspect * rows + 0.5)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    colours = _colours(len(labels))
    for ax in grid.flat:
        ax.set_axis_off()
    for ax, picture, shares in zip(grid.flat, pictures, values, strict=False):
        ax.imshow(_mixed(picture, shares, colours, alpha))
    keys = [Patch(color=c, label=name) for c, name in zip(colours, labels, strict=True)]
    legend = figure.legend(
        handles=keys, loc="outside upper center", ncols=len(keys), frameon=False, fontsize=10
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _colours(count: int) -> NDArray[np.float64]:
    import seaborn as sns

    return np.array(sns.color_palette("colorblind" if count <= 10 else "husl", count))


def _mixed(
    picture: NDArray[np.uint8], shares: Any, colours: NDArray[np.float64], alpha: float
) -> NDArray[np.float64]:
    height, width = picture.shape[:2]
    sized = np.stack([resize(share.astype(np.float64), height, width) for share in shares])
    strongest = sized.argmax(0)
    density = alpha * sized.max(0).clip(0, 1)[..., None]
    grey = (picture @ np.array([0.299, 0.587, 0.114]) / 255)[..., None]
    mixed: NDArray[np.float64] = (1 - density) * grey + density * colours[strongest]
    return mixed
