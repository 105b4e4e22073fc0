"""A heat map in colour, and over a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interpviz.errors import InputError, nearest
from interpviz.render.images import ImageLike, as_rgb, resize, to_numpy
from interpviz.render.style import MAP_CMAP

if TYPE_CHECKING:
    from matplotlib.colors import Colormap


def get_cmap(cmap: str | int | Colormap) -> Colormap:
    """A colour map by its matplotlib or its OpenCV name.

    Args:
        cmap: A matplotlib name (`"viridis"`), an OpenCV name (`"COLORMAP_JET"`), OpenCV's
            constant (`cv2.COLORMAP_JET`), or a matplotlib colour map.

    Raises:
        InputError: There is no such colour map.
    """
    from matplotlib import colormaps
    from matplotlib.colors import Colormap, ListedColormap

    if isinstance(cmap, Colormap):
        return cmap
    if isinstance(cmap, str) and not cmap.upper().startswith("COLORMAP_"):
        if cmap in colormaps:
            return colormaps[cmap]
        raise InputError(f"There is no colour map {cmap!r}. {nearest(cmap, colormaps)}".strip())
    import cv2

    known = {name: getattr(cv2, name) for name in dir(cv2) if name.startswith("COLORMAP_")}
    code = known.get(cmap.upper()) if isinstance(cmap, str) else cmap
    if type(code) is not int or code not in known.values():
        raise InputError(f"OpenCV has no colour map {cmap!r}. {nearest(str(cmap), known)}".strip())
    levels = np.arange(256, dtype=np.uint8)[:, None]
    blue_green_red = cv2.applyColorMap(levels, code)[:, 0]
    return ListedColormap(blue_green_red[:, ::-1] / 255, name=str(cmap))


def colorize(
    heatmap: Any,
    cmap: str | int | Colormap = MAP_CMAP,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> NDArray[np.uint8]:
    """Turn values into colours.

    Args:
        heatmap: Array or tensor `(..., H, W)`.
        cmap: A colour map by matplotlib or OpenCV name.
        vmin: The value of the lowest colour.
        vmax: The value of the highest colour.

    Returns:
        Array `(..., H, W, 3)`, uint8 RGB.

    Raises:
        InputError: There is no such colour map, or a value is not finite.
    """
    values = to_numpy(heatmap).astype(np.float64)
    if vmax <= vmin or not np.isfinite(values).all():
        raise InputError(
            "Values become colours only where they are finite and vmax is above vmin: check the "
            f"map, and vmin={vmin}, vmax={vmax}."
        )
    values = (values - vmin) / (vmax - vmin)
    colours: NDArray[np.uint8] = get_cmap(cmap)(values.clip(0, 1), bytes=True)[..., :3]
    return colours


def overlay(
    image: ImageLike,
    heatmap: Any,
    cmap: str | int | Colormap = MAP_CMAP,
    alpha: float = 0.5,
) -> NDArray[np.uint8]:
    """Lay a heat map over a picture.

    Args:
        image: The picture, as [`as_rgb`][interpviz.render.as_rgb] takes it.
        heatmap: Array or tensor `(h, w)` in [0, 1]; resized to the picture.
        cmap: A colour map by matplotlib or OpenCV name.
        alpha: The share of the heat map in each pixel, in [0, 1].

    Returns:
        Array `(H, W, 3)`, uint8 RGB, of the picture's size.

    Raises:
        InputError: The picture or the heat map cannot be read, or `alpha` is out of range.
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}, but it must be between 0 (photo) and 1 (map).")
    picture = as_rgb(image)
    values = as_map(heatmap)
    if values.min() < -1e-3 or values.max() > 1 + 1e-3:
        raise InputError(
            f"The heat map runs from {values.min():.3g} to {values.max():.3g}, but an overlay "
            "shows [0, 1]: divide it by the value that should be brightest."
        )
    colours = colorize(resize(values, *picture.shape[:2]), cmap)
    mixed = (1 - alpha) * picture.astype(np.float64) + alpha * colours
    return np.rint(mixed).astype(np.uint8)


def as_map(heatmap: Any) -> NDArray[np.float64]:
    """A heat map as a float array `(H, W)`.

    Raises:
        InputError: It has another number of dimensions.
    """
    values = to_numpy(heatmap).astype(np.float64)
    if values.ndim != 2:
        raise InputError(
            f"A heat map has shape (H, W), but this one has {values.shape}: pass one at a time."
        )
    return values
