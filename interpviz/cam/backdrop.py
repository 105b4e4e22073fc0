"""The picture that a map is laid over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from interpviz.errors import AspectRatioWarning, warn_user
from interpviz.render.images import as_rgb, resize, to_numpy

if TYPE_CHECKING:
    from interpviz.render.images import ImageLike


def backdrop(image: Tensor, original: ImageLike | None) -> NDArray[np.uint8]:
    """The picture below the map, of the network input's size.

    Args:
        image: The preprocessed image `(1, C, H, W)`.
        original: The picture as the network saw it, or None to stretch the values of `image`,
            all channels alike, to the visible range.

    Returns:
        Array `(H, W, 3)`, uint8 RGB.

    Warns:
        AspectRatioWarning: The picture has another aspect ratio than the input.
    """
    height, width = image.shape[-2:]
    if original is None:
        values = to_numpy(image)[0]
        low, high = float(values.min()), float(values.max())
        visible = (values - low) / ((high - low) or 1.0)
        return as_rgb(visible if len(visible) == 3 else visible.mean(0))
    picture = as_rgb(original)
    rows, columns = picture.shape[:2]
    # Rounding to whole pixels may change a side by one.
    if abs(rows * width - columns * height) > max(rows, columns, height, width):
        warn_user(
            f"The picture is {columns} x {rows} pixels, the network's input {width} x {height}: if "
            "the preprocessing crops, the overlay is shifted; pass the picture as the network saw "
            "it, which zoo models give as `m.view(image)`.",
            AspectRatioWarning,
        )
    return resize(picture, height, width)
