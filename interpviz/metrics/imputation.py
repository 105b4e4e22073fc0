"""Fill holes in pictures with what their surroundings suggest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

_CHECKED_EVERY = 8
_TINY = 1e-30


def impute(images: Tensor, missing: Tensor, *, tolerance: float = 1e-4) -> Tensor:
    """Replace missing pixels by weighted means of their neighbours, all at once.

    Every missing pixel is to be the mean of its eight neighbours, of which some may be missing
    too: `x(p) = sum over neighbours q of w(p, q) x(q) / sum of w(p, q)`, with w = 1/6 for the four
    direct and 1/12 for the four diagonal ones; at the border of the picture those that exist. This
    is a sparse, symmetric, positive definite linear system, solved here for a whole batch by
    conjugate gradients. From Rong et al., "A Consistent and Efficient Evaluation Strategy for
    Attribution Methods", ICML 2022.

    Args:
        images: Tensor `(B, C, H, W)`, float32.
        missing: Boolean tensor `(B, 1, H, W)`. At least one pixel of each image is known.
        tolerance: The relative residual at which the solution is good enough.

    Returns:
        Tensor `(B, C, H, W)`; known pixels are as they were.
    """
    # What does not fit the cache of a CPU is slower there than one picture after another.
    at_once = 1 if images.device.type == "cpu" else len(images)
    parts = zip(torch.split(images, at_once), torch.split(missing, at_once), strict=True)
    return torch.cat([_fill(image, hole, tolerance) for image, hole in parts])


def _fill(images: Tensor, missing: Tensor, tolerance: float) -> Tensor:
    """Fill the holes of a picture of half the size first, and begin with that.

    Large holes are what makes conjugate gradients slow; on a coarse grid they are small.
    """
    if not bool(missing.any()):
        return images
    hole = missing.to(images.dtype)
    known = images.where(~missing, 0.0)
    total = _window(torch.ones_like(hole))

    def system(x: Tensor) -> Tensor:
        # The pixel's own weight is in both terms and cancels.
        return hole * (total * x - _window(x))

    start = hole * _guess(known, 1 - hole, tolerance)
    inverse = hole / (total - 4)
    found = _conjugate_gradients(system, hole * _window(known), start, inverse, tolerance)
    return images.where(~missing, found)


def _window(x: Tensor) -> Tensor:
    """The sum over each pixel's 3 x 3 neighbourhood, with zeros outside of the picture.

    The weights are (1, 2, 1) along one side times (1, 2, 1) along the other: 12 times those of the
    neighbours, and 4 for the pixel itself. Four sums of pairs are quicker than a convolution.
    """
    x = F.pad(x, (1, 1, 1, 1))
    for _ in range(2):
        x = x[..., 1:] + x[..., :-1]
        x = x[..., 1:, :] + x[..., :-1, :]
    return x


def _guess(known: Tensor, given: Tensor, tolerance: float) -> Tensor:
    """The filled picture of half the size, enlarged."""
    share, total = (
        F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (given, known)
    )
    coarse = _fill(total / share.clamp_min(_TINY), share == 0, tolerance)
    return F.interpolate(coarse, size=known.shape[-2:], mode="bilinear", align_corners=False)


def _conjugate_gradients(
    system: Callable[[Tensor], Tensor],
    right: Tensor,
    start: Tensor,
    inverse_diagonal: Tensor,
    tolerance: float,
) -> Tensor:
    """Solve `system(x) = right` for every plane, with the diagonal as preconditioner."""
    x = start
    residual = right - system(x)
    towards = step = inverse_diagonal * residual
    energy = _dot(residual, towards)
    goal = tolerance**2 * _dot(right, right)
    # In exact arithmetic as many steps as unknowns are enough; far fewer are needed.
    for iteration in range(right[0, 0].numel()):
        if iteration % _CHECKED_EVERY == 0 and bool((_dot(residual, residual) <= goal).all()):
            break
        image = system(step)
        length = energy / _dot(step, image).clamp_min(_TINY)
        x = torch.addcmul(x, length, step)
        residual = torch.addcmul(residual, length, image, value=-1)
        towards = inverse_diagonal * residual
        following = _dot(residual, towards)
        step = torch.addcmul(towards, following / energy.clamp_min(_TINY), step)
        energy = following
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    products: Tensor = torch.linalg.vecdot(a.flatten(2), b.flatten(2))
    return products[..., None, None]
