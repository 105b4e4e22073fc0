"""Any kind of picture becomes one kind: 8-bit RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from interpviz.errors import InputError

ImageLike = Any
"""A path, a PIL image, an array or a tensor."""


def to_numpy(values: Any) -> NDArray[Any]:
    """An array on the CPU from an array, a list, or a tensor of any device and type.

    Args:
        values: Anything with numbers in it.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # NumPy has no bfloat16, and half precision would round what is drawn.
        values = (values.float() if values.is_floating_point() else values).numpy()
    return np.asarray(values)


def as_rgb(image: ImageLike) -> NDArray[np.uint8]:
    """Read a picture as 8-bit RGB.

    Args:
        image: A path; a PIL image; an array `(H, W)`, `(H, W, 3)` or `(H, W, 4)`; or a tensor
            `(3, H, W)` or `(1, 3, H, W)`. Integers are in [0, 255], floats in [0, 1]. Channels are
            in the order red, green, blue: OpenCV's pictures need `cv2.cvtColor` first.

    Returns:
        Array `(H, W, 3)`, uint8. Photos are turned as their EXIF orientation says.

    Raises:
        InputError: The file cannot be opened, or the shape or the range of values is not that of
            a picture.
    """
    if isinstance(image, str | Path):
        try:
            with Image.open(image) as opened:
                return as_rgb(opened)
        except OSError as error:
            raise InputError(f"{image} cannot be opened as a picture: {error}.") from error
    if isinstance(image, Image.Image):
        image = ImageOps.exif_transpose(image)
        # Pillow cuts values of more than 8 bits off instead of scaling them.
        if image.mode[0] not in "IF":
            return np.asarray(image.convert("RGB"))
    array = _channels_last(to_numpy(image))
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise InputError(f"A picture holds numbers, but this one holds {array.dtype}.")
    if np.issubdtype(array.dtype, np.floating):
        if np.isfinite(array).all() and array.min() >= 0 and 2 < array.max() <= 255:
            raise InputError(
                "The picture has floats up to 255, but floats are read as [0, 1]: divide it by "
                "255, or pass it as uint8."
            )
        if not np.isfinite(array).all() or array.min() < -1e-3 or array.max() > 1 + 1e-3:
            raise InputError(
                "The picture has values outside [0, 1], as a normalised network input has: pass "
                "the picture before normalisation (zoo models give it as `m.view(image)`)."
            )
        array = np.rint(array.clip(0, 1) * 255)
    elif array.size and (array.min() < 0 or array.max() > 255):
        raise InputError("The picture has integers outside [0, 255]: scale it to 8 bits first.")
    return array.astype(np.uint8)


def _channels_last(array: NDArray[Any]) -> NDArray[Any]:
    shape = array.shape
    if array.ndim == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise InputError(
            f"A picture has shape (H, W), (H, W, 3) or (3, H, W), but this one has {shape}: "
            "pass one picture, not a batch."
        )
    return array[..., :3]


def resize(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Resize a picture or a map to a height and a width, in pixels.

    Args:
        image: Array `(h, w)` or `(h, w, 3)`.
        height: The new height.
        width: The new width.

    Returns:
        Array of the same type; averaged where it shrinks, bilinear where it grows.
    """
    import cv2

    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: NDArray[Any] = cv2.resize(image, (width, height), interpolation=method)
    return resized
