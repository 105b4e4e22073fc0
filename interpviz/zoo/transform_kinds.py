"""What any library does to a picture: the network's input, and the picture as it is seen there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from interpviz.errors import InputError
from interpviz.zoo.preprocess import Preprocess, open_image

if TYPE_CHECKING:
    import torch

Transform = Callable[[Image.Image], "tuple[Image.Image, torch.Tensor]"]
"""Takes a PIL image; gives the RGB picture as the network sees it, resized and cropped but not
normalised, and the network's input, float32 `(C, H, W)`."""


@dataclass(frozen=True)
class Centred:
    """Resize the short side, cut out the centre, normalise.

    Attributes:
        steps: The numbers of it.
    """

    steps: Preprocess

    def __call__(self, image: Image.Image) -> tuple[Image.Image, torch.Tensor]:
        """The view and the input."""
        view = self.steps.view(image)
        # Resized to the size that it has, the view is only normalised.
        return view, replace(self.steps, resize=self.steps.crop)(view)


@dataclass(frozen=True)
class Squashed:
    """Resize to a size whatever the aspect ratio, cut out the centre, normalise.

    Attributes:
        size: Height and width after resizing, in pixels.
        crop: Height and width of what is cut out.
        resample: The interpolation.
        mean: Mean of each channel, of values in [0, 1]; one value makes a grey input.
        std: Standard deviation of each channel.
    """

    size: tuple[int, int]
    crop: tuple[int, int]
    resample: Image.Resampling
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, image: Image.Image) -> tuple[Image.Image, torch.Tensor]:
        """The view and the input."""
        import torch

        (high, wide), (height, width) = self.size, self.crop
        left, top = (wide - width) // 2, (high - height) // 2
        resized = open_image(image).resize((wide, high), self.resample)
        view = resized.crop((left, top, left + width, top + height))
        pixels = view if len(self.mean) == 3 else view.convert("L")
        values = np.atleast_3d(np.asarray(pixels, dtype=np.float32) / 255)
        mean, std = (np.array(each, dtype=np.float32) for each in (self.mean, self.std))
        normal = (values - mean) / std
        return view, torch.from_numpy(np.ascontiguousarray(normal.transpose(2, 0, 1)))


@dataclass(frozen=True)
class Composed:
    """Functions one after another, as in torchvision's `Compose`; the view is their last picture.

    Where tensors were still resized or cropped, the view is the input, stretched to what is seen.

    Attributes:
        steps: The functions. The first takes a PIL image, the last gives a tensor `(C, H, W)`.
    """

    steps: Sequence[Callable[[Any], Any]]

    def __call__(self, image: Image.Image) -> tuple[Image.Image, torch.Tensor]:
        """The view and the input."""
        value: Any = open_image(image)
        view = value
        for step in self.steps:
            value = step(value)
            view = value if isinstance(value, Image.Image) else view
        given = as_input(value)
        if view.size != (given.shape[2], given.shape[1]):
            return _stretched(given), given
        return view.convert("RGB"), given


@dataclass(frozen=True)
class Opaque:
    """One function from a picture to a tensor; the view is the tensor, stretched to what is seen.

    Attributes:
        function: Takes a PIL image, gives a tensor `(C, H, W)`.
    """

    function: Callable[[Image.Image], Any]

    def __call__(self, image: Image.Image) -> tuple[Image.Image, torch.Tensor]:
        """The view and the input."""
        given = as_input(self.function(open_image(image)))
        return _stretched(given), given


def _stretched(given: torch.Tensor) -> Image.Image:
    low, high = given.min(), given.max()
    pixels = ((given - low) / (high - low).clamp_min(1e-12) * 255).round()
    channels = pixels.byte().permute(1, 2, 0).cpu().numpy()
    rgb = channels if channels.shape[2] == 3 else channels[..., :1].repeat(3, axis=2)
    return Image.fromarray(np.ascontiguousarray(rgb))


def as_transform(given: Any) -> Transform:
    """What a user calls preprocessing, as a `Transform`.

    Args:
        given: A `Preprocess`; torchvision's `Compose`; one of this module; or a function from a
            PIL image to a tensor `(C, H, W)`. It must be deterministic.

    Raises:
        InputError: It cannot be called.
    """
    if isinstance(given, Preprocess):
        return Centred(given)
    if isinstance(given, Centred | Squashed | Composed | Opaque):
        return given
    steps = getattr(given, "transforms", None)
    if isinstance(steps, Sequence) and all(map(callable, steps)):
        return Composed(tuple(steps))
    if not callable(given):
        raise InputError(
            f"The preprocessing is a {type(given).__name__}: pass a function from a PIL image to a "
            "tensor (channel, height, width)."
        )
    return Opaque(given)


def described(thing: object) -> str:
    """What something prints, without what differs from one process to the next.

    Args:
        thing: A transform or a network. Of a function only the name counts, not what it does.
    """
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(thing))


def as_input(value: Any) -> torch.Tensor:
    """What a preprocessing returned, if it is an image's tensor.

    Args:
        value: What it returned.

    Raises:
        InputError: It is no floating-point tensor `(C, H, W)`.
    """
    import torch

    if isinstance(value, torch.Tensor) and value.ndim == 3 and value.is_floating_point():
        return value
    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
    raise InputError(
        f"The preprocessing gave {shape}, not a floating-point tensor (channel, height, width): "
        "end it with ToTensor and Normalize, and without a batch."
    )
