"""In which order pixels go, and which are gone after so many steps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from interpviz.errors import InputError
from interpviz.metrics.seeds import generator_of


def removal_ranks(maps: Tensor, seed: int) -> Tensor:
    """The place of every pixel in the order from the highest value of its map to the lowest.

    Pixels of one value follow each other in a random order, not row by row: maps are zero on large
    parts, and rows would be taken away as bands.

    Args:
        maps: Tensor `(N, H, W)`.
        seed: Seeds the order of equal values, the same for all maps.

    Returns:
        Tensor `(N, H, W)` of whole numbers, 0 for the pixel that goes first.
    """
    flat = maps.flatten(1)
    generator = generator_of(seed)
    shuffle = torch.randperm(flat.shape[1], generator=generator).to(flat.device)
    order = shuffle[flat[:, shuffle].argsort(dim=1, descending=True, stable=True)]
    places = torch.arange(flat.shape[1], device=flat.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view(maps.shape)


def pixel_counts(fractions: Sequence[float], pixels: int) -> list[int]:
    """How many pixels are gone at each fraction of them.

    Args:
        fractions: Ascending, in (0, 1).
        pixels: How many there are.

    Raises:
        InputError: The fractions are not ascending numbers between 0 and 1.
    """
    try:
        given = [float(fraction) for fraction in fractions]
    except (TypeError, ValueError):
        given = []
    rising = all(a < b for a, b in pairwise(given))
    if not given or not rising or given[0] <= 0 or given[-1] >= 1:
        raise InputError(
            f"The fractions are {fractions!r}: give ascending numbers above 0 and below 1, the "
            "shares of pixels to take away."
        )
    return [min(max(round(fraction * pixels), 1), pixels - 1) for fraction in given]
