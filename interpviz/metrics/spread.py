"""How widely a map is spread over the picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interpviz.cam.engine.precision import as_float64
from interpviz.metrics.checks import as_maps

_LEVELS = 255


def half_mass_area(maps: Any) -> Tensor:
    """The smallest share of the picture that holds half of a map's mass.

    Pixels are taken from the brightest down until their values add up to half of the sum of all. A
    map on a single pixel has nearly 0, one of the same value everywhere 0.5. Values below zero
    count as zero, and values are rounded to 255 steps of the map's maximum.

    Args:
        maps: Tensor or array `(N, H, W)`.

    Returns:
        Tensor `(N,)`, float32, in (0, 0.5], on the maps' device; NaN for a map that is zero
        everywhere.

    Raises:
        InputError: They are no maps of finite values.

    Examples:
        >>> half_mass_area(torch.ones(1, 4, 4))
        tensor([0.5000])
    """
    heat = as_maps(maps).clamp_min(0)
    count, pixels = len(heat), heat[0].numel()
    peak = heat.amax((1, 2), keepdim=True)
    steps = (heat / peak.where(peak > 0, 1.0) * _LEVELS).round().long().flatten(1)
    rows = torch.arange(count, device=heat.device)[:, None] * (_LEVELS + 1)
    counts = torch.bincount((steps + rows).flatten(), minlength=count * (_LEVELS + 1))
    # From the brightest step down, so that what is taken first comes first.
    held = as_float64(counts.reshape(count, -1).flip(1))
    value = torch.arange(_LEVELS, -1, -1, device=held.device, dtype=torch.float64)
    mass = (held * value).cumsum(1)
    half = mass[:, -1:] / 2
    last = (mass < half).sum(1, keepdim=True).clamp_max(_LEVELS - 1)
    taken = held.cumsum(1).gather(1, last) - (mass.gather(1, last) - half) / value[last]
    share = (taken / pixels)[:, 0].float().to(heat.device)
    return share.where(peak[:, 0, 0] > 0, torch.nan)
