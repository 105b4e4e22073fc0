"""Grids of patches: what a model cuts its input into, and which of them a sequence fills."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, prod

from torch import nn

from interpviz.device import unwrap

Shape = tuple[int, ...]

_MOST_TOKENS_IN_FRONT = 16


def patch_grids(model: nn.Module, channels: int, size: Shape) -> list[Shape]:
    """The grids that a model's first convolution may make of its input.

    Args:
        model: The model; the first of its convolutions that takes this many channels counts.
        channels: The input's channels.
        size: The input's `(height, width)`, or `(time, height, width)`.

    Returns:
        The grid by the convolution's own padding, then the one where the model fills the input up
        to whole strides, if that is another. Empty where there is no such convolution.
    """
    kind = nn.Conv3d if len(size) == 3 else nn.Conv2d
    for layer in unwrap(model).modules():
        if isinstance(layer, kind) and layer.in_channels == channels:
            plain = tuple(_convolved(layer, axis, length) for axis, length in enumerate(size))
            filled = tuple(-(-n // step) for n, step in zip(size, layer.stride, strict=True))
            return [plain] if filled == plain else [plain, filled]
    return []


def picture_share(model: nn.Module, size: Shape) -> tuple[float, float]:
    """How much of a detector's grid is picture, along height and width; the rest is padding.

    The detectors of torchvision enlarge images and fill them up to a multiple of some length.

    Args:
        model: Any model; one without such a `transform` fills nothing up.
        size: The input's `(height, width)`.
    """
    step, sides, most, fixed = (
        getattr(getattr(unwrap(model), "transform", None), name, None)
        for name in ("size_divisible", "min_size", "max_size", "fixed_size")
    )
    if len(size) != 2 or not isinstance(step, int) or not sides or not most:
        return 1.0, 1.0
    scale = min(sides[-1] / min(size), most / max(size))
    height, width = fixed[::-1] if fixed else (int(n * scale) for n in size)
    return height / (-(-height // step) * step), width / (-(-width // step) * step)


def reads_frames_first(model: nn.Module, channels: int, frames: int) -> bool:
    """Whether a model takes clips `(N, T, C, H, W)`, which were read as `(N, C, T, H, W)`.

    Args:
        model: The model.
        channels: The length of a clip's second axis.
        frames: The length of its third axis.
    """
    kinds = (nn.Conv2d, nn.Conv3d)
    taken = {m.in_channels for m in unwrap(model).modules() if isinstance(m, kinds)}
    return channels not in taken and frames in taken


def _convolved(layer: nn.Conv2d | nn.Conv3d, axis: int, length: int) -> int:
    reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
    named = {"same": reach, "valid": 0}
    padding = layer.padding
    around = named[padding] if isinstance(padding, str) else 2 * padding[axis]
    return (length + around - reach - 1) // layer.stride[axis] + 1


def filled_grid(length: int, grids: list[Shape]) -> Shape | None:
    """The grid that a sequence of tokens fills, after up to 16 tokens in front.

    Args:
        length: The number of tokens.
        grids: Grids of patches. Models that merge patches make a half, a quarter, ... of them.

    Returns:
        Of all these the largest that the sequence holds, or None where too many tokens are left,
        or two grids are equally large.
    """
    left = {grid: length - prod(grid) for base in grids for grid in _merged(base)}
    fewest = min((n for n in left.values() if n >= 0), default=length)
    fitting = [grid for grid, n in left.items() if n == fewest and prod(grid) > 1]
    return fitting[0] if len(fitting) == 1 and fewest <= _MOST_TOKENS_IN_FRONT else None


def _merged(base: Shape) -> Iterator[Shape]:
    """The grids of a model that merges patches two by two, and leaves time as it is."""
    time, sides = base[:-2], base[-2:]
    for factor in (2**k for k in range(max(sides).bit_length())):
        yield (*time, *(-(-side // factor) for side in sides))


def grid_like(length: int, size: Shape) -> Shape | None:
    """The grid of exactly an image's aspect ratio that a sequence fills.

    Args:
        length: The number of tokens; 0, 1, 2 or 5 of them may stand in front.
        size: The image's `(height, width)`.
    """
    if len(size) != 2:
        return None
    largest = gcd(*size)
    unit = tuple(side // largest for side in size)
    for front in (0, 1, 2, 5):
        for times in range(1, largest + 1):
            if prod(unit) * times**2 == length - front > 1:
                return tuple(side * times for side in unit)
    return None
