"""Activations as a grid, and grids as large as the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.errors import LayerError


def as_grid(activation: Tensor, name: str, size: tuple[int, int]) -> Tensor:
    """Check that an activation has positions to show, and compute with it in float32.

    Some networks, such as Swin, keep the channels last. Their layout is told by its shape: the
    grid has the image's aspect ratio where the second and third axes are read as height and width,
    and not where the third and fourth are.

    Args:
        activation: A layer's output or its gradient.
        name: The layer's name, for the message.
        size: The image's height and width in pixels.

    Returns:
        Tensor `(batch, channel, height, width)`, float32 (float64 stays).

    Raises:
        LayerError: The activation has no spatial grid.
    """
    shape = activation.shape
    if len(shape) == 4 and _has_aspect(shape[1:3], size) and not _has_aspect(shape[2:], size):
        activation = activation.permute(0, 3, 1, 2)
    if activation.ndim != 4 or activation.shape[2] * activation.shape[3] == 1:
        raise LayerError(
            f"Layer '{name}' has no spatial grid: its output has shape {tuple(activation.shape)}. "
            "Pick a layer before the pooling, whose output is (batch, channel, height, width)."
        )
    return activation if activation.dtype == torch.float64 else activation.float()


def _has_aspect(grid: Sequence[int], size: tuple[int, int]) -> bool:
    # Strides round up, so a side may be one position longer than the ratio says.
    return abs(grid[0] * size[1] - grid[1] * size[0]) <= max(size)


def enlarge(maps: Tensor, height: int, width: int) -> Tensor:
    """Interpolate maps bilinearly to the size of the image.

    Args:
        maps: Tensor `(N, h, w)`.
        height: The image's height in pixels.
        width: The image's width in pixels.

    Returns:
        Tensor `(N, height, width)`.
    """
    if maps.shape[-2:] == (height, width):
        return maps
    return F.interpolate(maps[:, None], size=(height, width), mode="bilinear", align_corners=False)[
        :, 0
    ]


def share_of_maximum(maps: Tensor) -> Tensor:
    """Divide each map by its own maximum, however small that is.

    Zero stays zero, so "no evidence" keeps its meaning; a map of zeros stays one.

    Args:
        maps: Tensor `(N, H, W)`, zero or above.

    Returns:
        Tensor `(N, H, W)` in [0, 1].
    """
    peak = maps.flatten(1).amax(1)[:, None, None]
    # Dividing by a subnormal peak overflows, so such a map is first brought into range.
    lift = torch.where(peak < 1e-30, 1e30, 1.0)
    return maps * lift / torch.where(peak > 0, peak * lift, 1.0)
