"""Images, heat maps, regions and numbers that a caller gives, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interpviz.errors import InputError


def as_images(images: Any) -> Tensor:
    """A batch of pictures, if it is one.

    Args:
        images: Should be a tensor `(N, C, H, W)`.

    Raises:
        InputError: It is something else.
    """
    if not isinstance(images, Tensor):
        raise InputError(
            f"The images are a {type(images).__name__}, but must be one tensor (N, C, H, W): "
            f"{_how_to_pass(images)}."
        )
    if images.ndim != 4:
        raise InputError(
            f"The images have shape {tuple(images.shape)}, but must be pictures (N, C, H, W)"
            f"{': add the batch with `image[None]`' if images.ndim == 3 else ''}."
        )
    return images


def _how_to_pass(images: object) -> str:
    if isinstance(images, tuple | Mapping):
        return (
            "these measures change images alone, so wrap a model of several inputs in a module "
            "that takes the images and adds the rest itself"
        )
    if isinstance(images, list):
        return "join them with `torch.stack(images)`"
    if isinstance(images, np.ndarray):
        return "pass `torch.from_numpy(images)`, preprocessed as the model wants them"
    return "preprocess them first, for instance with `m.preprocess(image)[None]`"


def as_maps(maps: Any, *, like: Tensor | None = None, device: torch.device | None = None) -> Tensor:
    """Heat maps as a float32 tensor.

    Args:
        maps: Tensor or array `(N, H, W)`.
        like: The images `(N, C, H, W)` that they belong to, which also say the device.
        device: Where they are wanted, if not where they are.

    Returns:
        Tensor `(N, H, W)`, float32, without a graph.

    Raises:
        InputError: They have another shape, or values that are not finite.
    """
    tensor = _finite(maps, "maps", "(N, H, W)", 3)
    if like is not None:
        expected = (len(like), *like.shape[-2:])
        if tuple(tensor.shape) != expected:
            raise InputError(
                f"The maps have shape {tuple(tensor.shape)}, but {len(like)} images of "
                f"{like.shape[-2]} x {like.shape[-1]} pixels need maps of shape {expected}."
            )
        device = like.device
    return tensor.to(device=device or tensor.device, dtype=torch.float32)


def as_attributions(values: Any, images: Tensor) -> Tensor:
    """Heat maps `(N, H, W)` or attributions `(N, C, H, W)` of every input value, float32.

    Args:
        values: Tensor or array.
        images: The images `(N, C, H, W)` that they belong to.

    Raises:
        InputError: They have another shape, or values that are not finite.
    """
    if getattr(values, "ndim", 3) != 4:
        return as_maps(values, like=images)
    tensor = _finite(values, "attributions", "(N, C, H, W)", 4)
    if tensor.shape != images.shape:
        raise InputError(
            f"The attributions have shape {tuple(tensor.shape)}, but the images have shape "
            f"{tuple(images.shape)}: give one value for each input value, or one a pixel."
        )
    return tensor.to(device=images.device, dtype=torch.float32)


def as_regions(regions: Any, maps: Tensor) -> Tensor:
    """Regions of pictures as masks.

    Args:
        regions: Boolean masks `(N, H, W)`, or boxes `(N, 4)` as left, top, right, bottom in
            pixels. A pixel is in a box if its centre is.
        maps: The maps `(N, H, W)` that they will be compared with.

    Returns:
        Boolean tensor `(N, H, W)` on the maps' device.

    Raises:
        InputError: They have another shape or type, or a region has no pixel in the picture.
    """
    expected = f"boolean masks {tuple(maps.shape)}, or boxes ({len(maps)}, 4)"
    given = _tensor(regions, "regions", expected).to(maps.device)
    if given.ndim == 2 and given.shape == (len(maps), 4):
        masks = _filled_boxes(given, maps)
    elif given.shape != maps.shape or given.dtype != torch.bool:
        raise InputError(
            f"The regions are {given.dtype} of shape {tuple(given.shape)}: pass "
            f"{expected} as left, top, right, bottom."
        )
    else:
        masks = given
    empty = (~masks.flatten(1).any(1)).nonzero()[:, 0].tolist()
    if empty:
        raise InputError(
            f"Region {empty[0]} has no pixel in its picture ({len(empty)} of {len(masks)} do not): "
            "leave such pictures out."
        )
    return masks


def _filled_boxes(boxes: Tensor, maps: Tensor) -> Tensor:
    left, top, right, bottom = (side[:, None] for side in boxes.float().unbind(1))
    x = torch.arange(maps.shape[2], device=maps.device) + 0.5
    y = torch.arange(maps.shape[1], device=maps.device) + 0.5
    columns = (left <= x) & (x < right)
    rows = (top <= y) & (y < bottom)
    return rows[:, :, None] & columns[:, None, :]


def _finite(values: Any, what: str, shape: str, ndim: int) -> Tensor:
    tensor = _tensor(values, what, f"a tensor {shape}")
    if tensor.ndim != ndim or not tensor.numel():
        raise InputError(f"The {what} have shape {tuple(tensor.shape)}, not {shape}.")
    if not torch.isfinite(tensor).all():
        bad = (~torch.isfinite(tensor)).flatten(1).any(1).nonzero()[:, 0].tolist()
        raise InputError(
            f"Map {bad[0]} has NaN or infinite values ({len(bad)} of {len(tensor)} maps do): "
            "check the method and the layer that drew it."
        )
    return tensor


def _tensor(values: Any, what: str, expected: str) -> Tensor:
    try:
        return torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"The {what} are a {type(values).__name__} that is no tensor: pass {expected}."
        ) from error


def whole_number(value: Any, name: str, least: int = 1) -> int:
    """A count, if it is one.

    Args:
        value: Should be a whole number.
        name: What it is called, for the message.
        least: The smallest that makes sense.

    Raises:
        InputError: It is something else, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"`{name}` is {value!r}, but must be a whole number of {least} or more.")
    return value


def rows_and_columns(value: Any, name: str) -> tuple[int, int]:
    """The size of a grid, if it is one.

    Args:
        value: Should be two whole numbers.
        name: What it is called, for the message.

    Raises:
        InputError: It is something else, or the grid has no cell.
    """
    pair = tuple(value) if isinstance(value, tuple | list) else ()
    if len(pair) != 2 or any(not isinstance(n, int) or n < 1 for n in pair):
        raise InputError(
            f"`{name}` is {value!r}, but must be two whole numbers of 1 or more, rows and columns."
        )
    rows, columns = pair
    return rows, columns
