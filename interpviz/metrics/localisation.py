"""Whether a map falls on the object: against masks or boxes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.errors import InputError
from interpviz.metrics.checks import as_maps, as_regions, whole_number


def pointing_game(maps: Any, regions: Any, *, tolerance: int = 0) -> Tensor:
    """Whether the highest value of each map lies on the object.

    `hit = 1 if argmax of the map is in the region, else 0`; the mean over pictures is the accuracy
    of Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, who count a hit
    within 15 pixels of the object. Where several pixels share the highest value, the result is the
    share of them that hit, so a flat map gets what a blind guess would.

    Args:
        maps: Tensor or array `(N, H, W)`.
        regions: Boolean masks `(N, H, W)`, or boxes `(N, 4)` as left, top, right, bottom in pixels.
        tolerance: How far, in whole pixels, a hit may lie outside of the region.

    Returns:
        Tensor `(N,)`, float32, in [0, 1], on the maps' device. Chance is the region's share of the
        picture.

    Raises:
        InputError: The maps or regions do not fit each other, or a region is empty.
    """
    heat = as_maps(maps)
    inside = _widened(as_regions(regions, heat), whole_number(tolerance, "tolerance", 0))
    peak = heat == heat.amax((1, 2), keepdim=True)
    return (peak & inside).sum((1, 2)) / peak.sum((1, 2))


def energy_inside(maps: Any, regions: Any) -> Tensor:
    """Which share of each map lies on the object: the energy-based pointing game.

    `share = sum of the map inside the region / sum of the map`, from Wang et al., "Score-CAM:
    Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR Workshops 2020.
    Values below zero count as zero.

    Args:
        maps: Tensor or array `(N, H, W)`.
        regions: Boolean masks `(N, H, W)`, or boxes `(N, 4)` as left, top, right, bottom in pixels.

    Returns:
        Tensor `(N,)`, float32, in [0, 1], on the maps' device; 0 for a map that is zero
        everywhere. Chance is the region's share of the picture.

    Raises:
        InputError: The maps or regions do not fit each other, or a region is empty.
    """
    heat = as_maps(maps)
    return share_inside(heat, as_regions(regions, heat))


def share_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """The share of each map's positive values that a mask covers.

    Args:
        maps: Tensor `(..., H, W)`.
        masks: Boolean tensor that broadcasts to it.

    Returns:
        Tensor `(...)`; 0 for a map without positive values.
    """
    positive = maps.clamp_min(0)
    # A maximum of 1 keeps the sums of very faint and very strong maps in range.
    positive = positive / positive.amax((-2, -1), keepdim=True).clamp_min(_TINY)
    inside = positive.where(masks, 0.0).sum((-2, -1))
    return inside / positive.sum((-2, -1)).clamp_min(_TINY)


_TINY = torch.finfo(torch.float32).tiny


def iou(maps: Any, regions: Any, *, threshold: float = 0.5) -> Tensor:
    """How well the bright part of each map covers the object, and nothing else.

    `IoU = |bright and region| / |bright or region|`, where bright is every pixel with at least
    `threshold` times the map's maximum. Weakly supervised localisation reports it for boxes around
    the bright part, often with a threshold of 0.2 (Zhou et al., "Learning Deep Features for
    Discriminative Localization", CVPR 2016); here the bright part itself is compared.

    Args:
        maps: Tensor or array `(N, H, W)`.
        regions: Boolean masks `(N, H, W)`, or boxes `(N, 4)` as left, top, right, bottom in pixels.
        threshold: A share of each map's own maximum, above 0 and up to 1.

    Returns:
        Tensor `(N,)`, float32, in [0, 1], on the maps' device; 0 for a map without a value above 0.

    Raises:
        InputError: The maps or regions do not fit each other, a region is empty, or the threshold
            is out of range.
    """
    if (
        isinstance(threshold, bool)
        or not isinstance(threshold, int | float)
        or not (0 < threshold <= 1)
    ):
        raise InputError(f"The threshold is {threshold!r}, but must be above 0 and at most 1.")
    heat = as_maps(maps)
    masks = as_regions(regions, heat)
    top = heat.amax((1, 2), keepdim=True)
    bright = (heat >= threshold * top) & (top > 0)
    return (bright & masks).sum((1, 2)) / (bright | masks).sum((1, 2))


def _widened(masks: Tensor, pixels: int) -> Tensor:
    """Masks with everything within some pixels of them."""
    if not pixels:
        return masks
    offsets = torch.arange(-pixels, pixels + 1, device=masks.device)
    disk = (offsets[:, None] ** 2 + offsets**2 <= pixels**2).float()
    near = F.conv2d(masks[:, None].float(), disk[None, None], padding=pixels)
    return near[:, 0] > 0.5
