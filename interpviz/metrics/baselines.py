"""What a pixel becomes when it is taken away."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.errors import InputError

Baseline = Literal["blur", "mean"] | float | Tensor
"""`"blur"`, `"mean"`, a number in the model's input units, or a tensor that fits the images."""


def baseline_images(images: Tensor, baseline: Baseline) -> Tensor:
    """The pictures that are left when everything is taken away.

    Args:
        images: Tensor `(N, C, H, W)`.
        baseline: `"blur"` for the picture under a Gaussian whose standard deviation is a
            twentieth of its shorter side; `"mean"` for the mean of each channel of each picture;
            a number for all values; or a tensor that broadcasts to the images.

    Returns:
        Tensor `(N, C, H, W)`, of the images' type, on their device.

    Raises:
        InputError: It is none of these.
    """
    if isinstance(baseline, Tensor):
        try:
            filled = baseline.detach().to(images).expand_as(images)
        except RuntimeError as error:
            raise InputError(
                f"The baseline has shape {tuple(baseline.shape)}, which does not fit images of "
                f"shape {tuple(images.shape)}."
            ) from error
        if not torch.isfinite(filled).all():
            raise InputError("The baseline has NaN or infinite values: fill them first.")
        return filled
    if baseline == "mean":
        return images.float().mean((2, 3), keepdim=True).to(images.dtype).expand_as(images)
    if baseline == "blur":
        return blurred(images, min(images.shape[-2:]) / 20)
    if isinstance(baseline, int | float) and not isinstance(baseline, bool):
        return torch.full_like(images, baseline)
    raise InputError(
        f"The baseline is {baseline!r}, but must be 'blur', 'mean', a number or a tensor."
    )


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
    planes = F.conv2d(F.conv2d(planes, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return planes.reshape(images.shape).to(images.dtype)
