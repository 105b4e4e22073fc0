"""Several maps of one image become one: of several layers, and of changed copies of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from interpviz.errors import InputError, nearest

FUSIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda maps: maps.mean(0),
    "max": lambda maps: maps.amax(0),
    "product": lambda maps: maps.prod(0),
}
"""How the maps of several layers `(layers, N, H, W)` become one `(N, H, W)`."""


def get_fusion(name: str) -> Callable[[Tensor], Tensor]:
    """A way to fuse layers, by its name.

    Args:
        name: `"mean"`, `"max"` or `"product"`.

    Raises:
        InputError: There is no such way.
    """
    if name not in FUSIONS:
        raise InputError(
            f"Layers cannot be fused by {name!r}. {nearest(name, FUSIONS)} "
            f"There are: {', '.join(FUSIONS)}."
        )
    return FUSIONS[name]


def augmented(images: Tensor) -> Iterator[tuple[Tensor, bool]]:
    """The five other copies of a batch that a classifier should see like the images themselves.

    The copies are the images mirrored, and both of these with values of 0.9 and 1.1 times their
    size: where images are normalised, 0 is the mean of the data set, and this is their contrast.

    Args:
        images: Tensor `(N, C, H, W)`, or clips `(N, C, T, H, W)`.

    Yields:
        A copy, and whether it is mirrored left to right, as its maps then are.
    """
    yield images.flip(-1), True
    for gain in (0.9, 1.1):
        yield images * gain, False
        yield images.flip(-1) * gain, True


def mean_of(maps: Iterator[Tensor]) -> Tensor:
    """The mean of maps that come one after another, of which only the sum is kept.

    Args:
        maps: At least one tensor, all of one shape.
    """
    total, count = torch.zeros(()), 0
    for each in maps:
        total, count = (each if not count else total + each), count + 1
    return total / count
