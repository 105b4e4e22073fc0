"""Maps that know nothing, to hold the others against."""

from __future__ import annotations

import torch
from torch import Tensor

from interpviz.metrics.checks import as_images, rows_and_columns
from interpviz.metrics.seeds import generator_of


def random_maps(images: Tensor, *, grid: tuple[int, int] = (7, 7), seed: int = 0) -> Tensor:
    """Random heat maps as coarse as a real one: the control for every other number here.

    Noise of single pixels would be no fair opponent: taking away scattered pixels ruins a picture
    faster than taking away patches of the same area, whatever they show. So uniform random values
    on a coarse grid are enlarged bilinearly, as those of a layer are.

    Args:
        images: Tensor `(N, C, H, W)`, for the size, number and device.
        grid: Rows and columns of the random values; take those of the layer that is explained.
        seed: Seeds the values.

    Returns:
        Tensor `(N, H, W)`, float32, in [0, 1], on the images' device.

    Raises:
        InputError: The images have another shape, or the grid is not rows and columns.
    """
    images = as_images(images)
    rows, columns = rows_and_columns(grid, "grid")
    generator = generator_of(seed)
    values = torch.rand(len(images), rows, columns, generator=generator).to(images.device)
    height, width = images.shape[-2:]
    maps = torch.nn.functional.interpolate(
        values[:, None], size=(height, width), mode="bilinear", align_corners=False
    )[:, 0]
    return maps / maps.amax((1, 2), keepdim=True)
