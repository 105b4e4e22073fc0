"""Masks of pictures, as the user writes them and as a score needs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.errors import TargetError


def as_mask(mask: Any) -> Tensor:
    """A boolean mask.

    Args:
        mask: A tensor, an array or nested lists of numbers.

    Raises:
        TargetError: It holds no numbers.
    """
    if isinstance(mask, Tensor):
        return mask != 0
    try:
        found = np.array(mask)
    except ValueError:
        found = np.array(None)
    if found.dtype.kind not in "biuf":
        raise TargetError(
            f"The mask is {type(mask).__name__}, not a tensor or array of numbers: give (height, "
            "width), or one such mask an image."
        )
    return torch.from_numpy(found != 0)


def sized_mask(mask: Tensor, logits: Tensor) -> Tensor:
    """A mask for each image, of the size of the logits.

    Args:
        mask: Boolean tensor `(H, W)`, or `(N, H, W)`.
        logits: Tensor `(N, classes, h, w)`.

    Returns:
        Boolean tensor `(N, h, w)`, on the device of the logits.

    Raises:
        TargetError: It has another shape.
    """
    pixels = mask.to(logits.device)
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or len(pixels) not in (1, len(logits)):
        raise TargetError(
            f"The mask has shape {tuple(mask.shape)} for {len(logits)} images: give (height, "
            "width), or one such mask an image."
        )
    size = logits.shape[2:]
    if pixels.shape[1:] != size:
        pixels = F.interpolate(pixels[:, None].float(), size, mode="nearest-exact")[:, 0] > 0
    return pixels.expand(len(logits), -1, -1)
