"""How a picture is brought into a network, and how the network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from interpviz.errors import InputError
from interpviz.zoo.orientation import turned

if TYPE_CHECKING:
    import torch

ImageInput = Image.Image | str | Path | npt.NDArray[np.uint8]
"""A PIL image, the path of one, or a uint8 array of shape (H, W, 3) or (H, W)."""


@dataclass(frozen=True)
class Preprocess:
    """Resize the short side, cut out the centre, scale and normalise.

    Attributes:
        resize: Length of the short side after resizing, in pixels.
        crop: Side of the square that is cut out, in pixels; at most `resize`.
        resample: The interpolation.
        mean: Mean of each channel, of values in [0, 1].
        std: Standard deviation of each channel.
    """

    resize: int
    crop: int
    resample: Image.Resampling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def view(self, image: ImageInput) -> Image.Image:
        """The picture as the network sees it, before normalisation.

        Args:
            image: A PIL image, the path of one, or a uint8 array of shape (H, W, 3) or (H, W).

        Returns:
            An RGB picture of (crop, crop) pixels.

        Raises:
            InputError: If it is no picture.
        """
        picture = open_image(image)
        short = min(picture.size)
        width, height = (self.resize * side // short for side in picture.size)
        left, top = (round((side - self.crop) / 2) for side in (width, height))
        picture = picture.resize((width, height), self.resample)
        return picture.crop((left, top, left + self.crop, top + self.crop))

    def __call__(self, image: ImageInput) -> torch.Tensor:
        """The network's input.

        Args:
            image: As for `view`.

        Returns:
            float32 tensor of shape (3, crop, crop) on the CPU.

        Raises:
            InputError: If it is no picture.
        """
        import torch

        pixels = np.asarray(self.view(image), dtype=np.float32) / 255
        mean, std = (np.array(value, dtype=np.float32) for value in (self.mean, self.std))
        normal = (pixels - mean) / std
        return torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))


def open_image(image: ImageInput) -> Image.Image:
    """Bring a picture to RGB, upright.

    Args:
        image: A PIL image, the path of one, or a uint8 array of shape (H, W, 3) or (H, W).

    Returns:
        An RGB picture of its full size.

    Raises:
        InputError: If it is none of these, or the file is not a picture.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, str | Path):
        try:
            with Image.open(image) as opened:
                return _upright(opened)
        except OSError as error:
            raise InputError(
                f"{image} cannot be opened as a picture ({type(error).__name__}): check the path "
                "and the format."
            ) from error
    if isinstance(image, Image.Image):
        return _upright(image)
    raise InputError(
        f"A {type(image).__name__} is no picture: give a PIL image, a path, or a uint8 array of "
        "shape (H, W, 3) or (H, W)."
    )


def _upright(image: Image.Image) -> Image.Image:
    if image.mode[0] in "IF":
        raise InputError(
            f"The picture has the mode {image.mode}, more than 8 bits a channel: scale it to 8 "
            "bits first, for instance with NumPy."
        )
    return turned(image.convert("RGB"), image)


def _from_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    grey, colour = array.ndim == 2, array.ndim == 3 and array.shape[2] == 3
    if array.dtype != np.uint8 or not (grey or colour) or array.size == 0:
        raise InputError(
            f"The array has shape {array.shape} and type {array.dtype}: give a uint8 array of "
            "shape (H, W, 3) or (H, W)."
        )
    return Image.fromarray(np.ascontiguousarray(array)).convert("RGB")
