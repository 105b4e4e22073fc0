"""Check what the user passes, and bring it to the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from interpviz.device import placement
from interpviz.errors import InputError, TargetError


def checked_score(score: Any, count: int) -> Tensor:
    """What a target function returned, if it is one score an image.

    Args:
        score: Should be a tensor `(count,)`.
        count: The number of images.

    Raises:
        TargetError: It is something else.
    """
    if isinstance(score, Tensor) and (score.shape == (count,) or (count == 1 and score.ndim == 0)):
        return score
    shape = tuple(score.shape) if isinstance(score, Tensor) else type(score).__name__
    raise TargetError(
        f"The target function returned {shape} for {count} images: it must return one score an "
        f"image, a tensor of shape ({count},)."
    )


def with_batch(image: Tensor) -> Tensor:
    """A batch of one from a single image; anything else as it is.

    Args:
        image: Tensor `(C, H, W)` or `(N, C, H, W)`.
    """
    return image[None] if isinstance(image, Tensor) and image.ndim == 3 else image


def one_image(image: Tensor) -> Tensor:
    """A batch of one.

    Args:
        image: Tensor `(C, H, W)` or `(1, C, H, W)`.

    Raises:
        InputError: It holds several images.
    """
    batch = with_batch(image)
    if isinstance(batch, Tensor) and batch.ndim == 4 and len(batch) != 1:
        raise InputError(
            f"There are {len(batch)} images, but this explains one at a time: pass images[i]."
        )
    return batch


def follow_model(images: Tensor, model: nn.Module) -> Tensor:
    """Images on the model's device, of its floating-point type.

    Args:
        images: Tensor `(N, C, H, W)`.
        model: The model that will take them.

    Raises:
        InputError: They are not a batch of finite floating-point numbers.
    """
    if not isinstance(images, Tensor):
        raise InputError(
            f"The images are a {type(images).__name__}, not a tensor: preprocess them first, for "
            "instance with `m.preprocess(image)[None]`; wrap a model with several inputs in a "
            "module that takes one."
        )
    if images.ndim != 4 or not images.numel():
        remedy = (
            "add the batch with `image[None]`" if images.ndim == 3 else "pass a batch of images"
        )
        raise InputError(
            f"The images have shape {tuple(images.shape)}, not (batch, channel, height, width): "
            f"{remedy}."
        )
    if not images.is_floating_point():
        raise InputError(
            f"The images are {images.dtype}: the model's own preprocessing must turn them into "
            "normalised floating-point numbers first."
        )
    # One sum is several times as quick as a look at every value, and rarely misleads.
    if not torch.isfinite(images.sum()) and not torch.isfinite(images).all():
        bad = (~torch.isfinite(images)).flatten(1).any(1).nonzero()[:, 0].tolist()
        raise InputError(
            f"Image {bad[0]} has NaN or infinite values ({len(bad)} of {len(images)} images do): "
            "check how it was read and normalised."
        )
    device, dtype = placement(model)
    moved = images.detach().to(device=device, dtype=dtype)
    return moved.clone() if moved.is_inference() else moved
