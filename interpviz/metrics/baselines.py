"""What a pixel becomes when it is taken away."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.errors import InputError
from interpviz.metrics.precision import without_autocast

Baseline = Literal["blur", "mean"] | float | Tensor | np.ndarray[Any, Any]
"""`"blur"`, `"mean"`, a number in the model's input units, or a tensor or array that fits the
images."""


def baseline_images(images: Tensor, baseline: Baseline) -> Tensor:
    """The pictures that are left when everything is taken away.

    Args:
        images: Tensor `(N, C, H, W)`.
        baseline: `"blur"` for the picture under a Gaussian whose standard deviation is a
            twentieth of its shorter side; `"mean"` for the mean of each channel of each picture;
            a number for all values; or a tensor or array that broadcasts to the images.

    Returns:
        Tensor `(N, C, H, W)`, of the images' type, on their device.

    Raises:
        InputError: It is none of these, or not finite.
    """
    if isinstance(baseline, Tensor | np.ndarray):
        return _spread(baseline, images)
    if baseline == "mean":
        return images.float().mean((2, 3), keepdim=True).to(images.dtype).expand_as(images)
    if baseline == "blur":
        return blurred(images, min(images.shape[-2:]) / 20)
    number = isinstance(baseline, int | float) and not isinstance(baseline, bool)
    if number and math.isfinite(baseline):
        return torch.full_like(images, baseline)
    raise InputError(
        f"The baseline is {baseline!r}, but must be 'blur', 'mean', a finite number or a tensor."
    )


def _spread(baseline: Tensor | np.ndarray[Any, Any], images: Tensor) -> Tensor:
    try:
        filled = torch.as_tensor(baseline).detach().to(images).expand_as(images)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"The baseline has shape {tuple(baseline.shape)}, which does not fit images of shape "
            f"{tuple(images.shape)}: one value a channel, for instance, needs shape "
            f"({images.shape[1]}, 1, 1)."
        ) from error
    if not torch.isfinite(filled).all():
        raise InputError("The baseline has NaN or infinite values: fill them first.")
    return filled


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Pictures under a Gaussian, cut at three standard deviations; edges are repeated.

    Args:
        images: Tensor `(N, C, H, W)`.
        sigma: The standard deviation in pixels.

    Returns:
        Tensor `(N, C, H, W)`, of the same type.
    """
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    weights = weights / weights.sum()
    planes = images.float().flatten(0, 1)[:, None]
    planes = F.pad(planes, (radius,) * 4, mode="replicate")
    with without_autocast(images.device):
        planes = F.conv2d(F.conv2d(planes, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return planes.reshape(images.shape).to(images.dtype)
