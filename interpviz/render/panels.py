"""Heat maps beside each other, with what they say in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from interpviz.errors import InputError
from interpviz.render.images import ImageLike, as_rgb, resize
from interpviz.render.overlay import as_map, get_cmap
from interpviz.render.style import MAP_CMAP, SIGNED_CMAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MAP_LABEL = "share of the map's maximum"


def show_map(
    heatmap: Any,
    image: ImageLike | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    cmap: str | int | Colormap = MAP_CMAP,
    alpha: float = 0.55,
    vmin: float = 0.0,
    vmax: float = 1.0,
    colorbar: bool = True,
    label: str = MAP_LABEL,
) -> Figure:
    """Draw one heat map, alone or over its picture.

    Args:
        heatmap: Array or tensor `(h, w)`.
        image: The picture below it, as [`as_rgb`][interpviz.render.as_rgb] takes it.
        ax: Where to draw; a new figure if left out.
        title: The title above it.
        cmap: A colour map by matplotlib or OpenCV name.
        alpha: How strongly the map covers the picture, in [0, 1].
        vmin: The value of the lowest colour: -1 for signed maps, with a diverging colour map.
        vmax: The value of the highest colour. Give maps that are compared the same two.
        colorbar: Whether a colour bar lets values be read off.
        label: What the colour bar measures.

    Returns:
        The figure drawn on.
    """
    figure, ax = _figure_of(ax)
    mappable = _draw(ax, heatmap, image, title, cmap=cmap, alpha=alpha, limits=(vmin, vmax))
    if colorbar:
        _colorbar(figure, mappable, ax, label)
    return figure


def map_panels(
    image: ImageLike | Sequence[ImageLike],
    heatmaps: Any,
    titles: Sequence[str] | None = None,
    *,
    photo_title: str | None = None,
    columns: int | None = None,
    cmap: str | int | Colormap = MAP_CMAP,
    alpha: float = 0.55,
    vmin: float = 0.0,
    vmax: float = 1.0,
    label: str = MAP_LABEL,
) -> Figure:
    """Draw a photo and its heat maps side by side, on one colour scale.

    Args:
        image: One picture below all maps, or a list of pictures, one a map. One picture is also
            drawn alone, in front.
        heatmaps: Array or tensor `(K, h, w)`, or a list of maps.
        titles: A title for each map, such as a class name with its score.
        photo_title: The title of the photo in front.
        columns: How many panels stand in a row; by default all, up to five.
        cmap: A colour map by matplotlib or OpenCV name.
        alpha: How strongly the maps cover the pictures, in [0, 1].
        vmin: The value of the lowest colour, the same for all panels: -1 for signed maps, with a
            diverging colour map.
        vmax: The value of the highest colour.
        label: What the colour bar measures.

    Returns:
        A new figure.

    Raises:
        InputError: The numbers of maps, titles and pictures do not match.
    """
    import matplotlib.pyplot as plt

    maps = [as_map(m) for m in heatmaps]
    several = isinstance(image, list | tuple)
    pictures = [as_rgb(i) for i in image] if several else [as_rgb(image)] * len(maps)
    titles = [titles] if isinstance(titles, str) else titles
    titles = [""] * len(maps) if titles is None else list(titles)
    if not maps or not len(maps) == len(titles) == len(pictures):
        raise InputError(
            f"There are {len(maps)} maps, {len(titles)} titles and {len(pictures)} pictures: "
            "give one title and one picture for each map."
        )
    lead = 0 if several else 1
    count = len(maps) + lead
    columns = columns or min(count, 5)
    rows = -(-count // columns)
    aspect = pictures[0].shape[0] / pictures[0].shape[1]
    size = (2.5 * columns + 0.6, (2.5 * aspect + 0.45) * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    axes = list(grid.flat)
    for ax in axes[count:]:
        ax.remove()
    if lead:
        axes[0].imshow(pictures[0])
        _bare(axes[0], photo_title)
    for ax, heatmap, picture, title in zip(axes[lead:], maps, pictures, titles, strict=False):
        mappable = _draw(ax, heatmap, picture, title, cmap=cmap, alpha=alpha, limits=(vmin, vmax))
    _colorbar(figure, mappable, axes[:count], label)
    return figure


def difference_map(
    first: Any,
    second: Any,
    image: ImageLike | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    labels: tuple[str, str] = ("first", "second"),
    cmap: str | int | Colormap = SIGNED_CMAP,
    alpha: float = 0.75,
) -> Figure:
    """Draw where one heat map is above another, and where below.

    Args:
        first: Array or tensor `(H, W)`.
        second: Array or tensor `(H, W)`, on the same scale.
        image: The picture below it, drawn in grey so that the colours keep their meaning.
        ax: Where to draw; a new figure if left out.
        title: The title above it.
        labels: The names of the two maps, for the colour bar.
        cmap: A diverging colour map by matplotlib or OpenCV name.
        alpha: How strongly the difference covers the picture, in [0, 1].

    Returns:
        The figure drawn on.

    Raises:
        InputError: The two maps have different shapes.
    """
    a, b = as_map(first), as_map(second)
    if a.shape != b.shape:
        raise InputError(f"Maps of shapes {a.shape} and {b.shape} cannot be subtracted.")
    figure, ax = _figure_of(ax)
    limit = float(np.abs(a - b).max()) or 1.0
    grey = None
    if image is not None:
        luma = as_rgb(image) @ np.array([0.299, 0.587, 0.114])
        grey = np.repeat(luma[..., None], 3, axis=2).astype(np.uint8)
    mappable = _draw(ax, a - b, grey, title, cmap=cmap, alpha=alpha, limits=(-limit, limit))
    _colorbar(figure, mappable, ax, f"{labels[0]} minus {labels[1]}")
    return figure


def _draw(
    ax: Axes,
    heatmap: Any,
    image: ImageLike | None,
    title: str | None,
    *,
    cmap: str | int | Colormap,
    alpha: float,
    limits: tuple[float, float],
) -> AxesImage:
    values = as_map(heatmap)
    if image is not None:
        picture = as_rgb(image)
        ax.imshow(picture)
        values = resize(values, *picture.shape[:2])
    strength = alpha if image is not None else 1.0
    mappable = ax.imshow(
        values, cmap=get_cmap(cmap), vmin=limits[0], vmax=limits[1], alpha=strength
    )
    _bare(ax, title)
    return mappable


def _bare(ax: Axes, title: str | None) -> None:
    ax.set_axis_off()
    if title:
        ax.set_title(title, fontsize=10, parse_math=False)


def _colorbar(figure: Figure, mappable: AxesImage, ax: Axes | Sequence[Axes], label: str) -> None:
    bar = figure.colorbar(mappable, ax=ax, shrink=0.85, pad=0.02, label=label)
    # The bar shows the map's own colours, not what is left of them over a photo.
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)
    bar.outline.set_visible(False)


def _figure_of(ax: Axes | None) -> tuple[Figure, Axes]:
    import matplotlib.pyplot as plt

    if ax is None:
        return plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    return cast("Figure", ax.figure), ax
