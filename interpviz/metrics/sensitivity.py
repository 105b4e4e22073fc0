"""Sensitivity-n: whether the values of a map add up to what the score loses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import index
from typing import Any

import torch
from torch import Tensor, nn

from interpviz.cam.targets import Targets
from interpviz.errors import InputError
from interpviz.metrics.baselines import Baseline, baseline_images
from interpviz.metrics.checks import as_maps, rows_and_columns, whole_number
from interpviz.metrics.curves import Curve
from interpviz.metrics.precision import without_autocast
from interpviz.metrics.scoring import Score, Scorer
from interpviz.metrics.seeds import generator_of
from interpviz.metrics.similarity import correlation


def sensitivity_n(
    model: nn.Module,
    images: Tensor,
    maps: Any,
    targets: Targets = None,
    *,
    sizes: Sequence[int] | None = None,
    cells: tuple[int, int] | None = (14, 14),
    subsets: int = 100,
    baseline: Baseline = 0.0,
    score: Score = "logit",
    seed: int = 0,
    batch_size: int = 64,
    progress: bool = False,
) -> Curve:
    """Whether the attributions of removed cells tell how much the score changes.

    For random subsets S of n cells, all of the same n,
    `correlation over S of (sum over i in S of R(i)) and (f(x) - f(x with S set to the baseline))`,
    with R(i) the sum of the map over cell i. 1 means that the map's values add up to the changes,
    for this n, up to scale and offset; 0 that they say nothing of them. From Ancona, Ceolini,
    Oztireli and Gross, "Towards better understanding of gradient-based attribution methods for
    Deep Neural Networks", ICLR 2018.

    The definition asks for signed attributions of the score itself, so the logit is the default;
    heat maps that leave negative evidence out cannot reach 1 where there is any.

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        maps: Tensor or array `(N, H, W)`, of any sign and scale, on any device; attributions of
            single channels are summed first.
        targets: None for the predicted class of each image; a class index or name for all; one an
            image; or a function from the logits `(N, ...)` to one score an image `(N,)`.
        sizes: The values of n, ascending, from 1 to the number of cells less one; by default six
            from 1 to four fifths of the cells, evenly spaced in ratio.
        cells: Rows and columns of the grid whose cells are removed whole, because single pixels
            hardly change a score; None for pixels. Sides that do not divide leave smaller cells.
        subsets: How many subsets for each n; two or more.
        baseline: What a removed cell becomes: a number in the model's input units, `"mean"`,
            `"blur"` or a tensor.
        score: `"logit"` of the target class, or its `"probability"`.
        seed: Seeds the subsets, which are the same for all images.
        batch_size: How many pictures the model sees at once, over images and subsets.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        A curve over n as a share of the cells; its scores are correlations in [-1, 1], NaN where
        the map or the score never changes.

    Raises:
        InputError: Images, maps or options do not fit.
        TargetError: A class does not exist, or there is not one target an image.
    """
    scorer = Scorer(model, images, targets, score=score, batch_size=batch_size)
    images = scorer.images
    heat = as_maps(maps, like=images)
    whole_number(subsets, "subsets", 2)
    cell = _cell_of_pixel(images, cells)
    count = int(cell.max()) + 1
    chosen = _sizes(sizes, count)
    removed = _subsets(chosen, count, subsets, seed).to(images.device)
    other = baseline_images(images, baseline)

    def build(image: Tensor, step: Tensor) -> Tensor:
        hidden = removed[step][:, cell].view(len(step), 1, *images.shape[-2:])
        return torch.where(hidden, other[image], images[image])

    after = scorer.scores(build, len(removed), "sensitivity-n", progress=progress)
    change = scorer.original[:, None] - after
    grouped = (len(images), len(chosen), subsets)
    return Curve(
        torch.tensor(chosen, device=images.device) / count,
        correlation(_expected(heat, cell, removed).view(grouped), change.view(grouped)),
        "sensitivity-n",
        "share of cells removed",
        "correlation with the change",
    )


def _expected(heat: Tensor, cell: Tensor, removed: Tensor) -> Tensor:
    """The change of the score that the maps expect of each subset, `(N, subsets)`."""
    shares = heat.new_zeros(len(heat), removed.shape[1]).index_add_(1, cell, heat.flatten(1))
    with without_autocast(heat.device):
        return shares @ removed.float().T


def _cell_of_pixel(images: Tensor, cells: tuple[int, int] | None) -> Tensor:
    """The number of the cell that each pixel is in, `(H * W,)`."""
    height, width = images.shape[-2:]
    rows, columns = (height, width) if cells is None else rows_and_columns(cells, "cells")
    if rows > height or columns > width or rows * columns < 2:
        raise InputError(
            f"A grid of {rows} x {columns} cells does not fit images of {height} x {width} pixels: "
            "give two cells or more, and no more than there are pixels on a side."
        )
    y = torch.arange(height, device=images.device) * rows // height
    x = torch.arange(width, device=images.device) * columns // width
    return (y[:, None] * columns + x).flatten()


def _sizes(sizes: Sequence[int] | None, cells: int) -> list[int]:
    if sizes is None:
        steps = torch.linspace(0, 1, 6).tolist()
        return sorted({max(1, round((0.8 * cells) ** step)) for step in steps})
    try:
        given = [index(size) for size in sizes]
    except TypeError:
        given = []
    rising = all(a < b for a, b in pairwise(given))
    if not given or not rising or given[0] < 1 or given[-1] >= cells:
        raise InputError(
            f"The sizes are {sizes!r}, but must be whole numbers that ascend from 1 or more to "
            f"less than the {cells} cells."
        )
    return given


def _subsets(sizes: list[int], cells: int, subsets: int, seed: int) -> Tensor:
    """Which cells are in each subset, boolean `(sizes * subsets, cells)`."""
    generator = generator_of(seed)
    ranks = torch.rand(len(sizes), subsets, cells, generator=generator).argsort(-1).argsort(-1)
    return (ranks < torch.tensor(sizes)[:, None, None]).flatten(0, 1)
