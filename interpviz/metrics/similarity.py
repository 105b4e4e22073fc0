"""How alike two maps are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from interpviz.cam.engine.precision import as_float64
from interpviz.errors import InputError
from interpviz.metrics.checks import as_maps

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def rank_correlation(maps_a: Any, maps_b: Any) -> Tensor:
    """Whether two maps put the same places first: Spearman's rank correlation, map by map.

    `rho = correlation of rank(a) and rank(b)` over all pixels, where equal values share the mean
    of their ranks (Spearman, "The Proof and Measurement of Association between Two Things",
    American Journal of Psychology 1904).

    Args:
        maps_a: Tensor or array `(N, H, W)`.
        maps_b: Of the same shape, on any device.

    Returns:
        Tensor `(N,)`, float32, in [-1, 1], on the device of the first; 1 for the same order. NaN
        where a map is the same everywhere and so has no order.

    Raises:
        InputError: The shapes differ, or values are not finite.
    """
    a, b = _pair(maps_a, maps_b)
    return correlation(average_ranks(a.flatten(1)), average_ranks(b.flatten(1)))


def average_ranks(values: Tensor) -> Tensor:
    """Ranks in each row; equal values share the mean of theirs.

    Args:
        values: Tensor `(N, P)`.

    Returns:
        Tensor `(N, P)`, float32, from 0 to 1 where the values all differ.
    """
    values = values.contiguous()
    ordered = values.sort(1).values
    below = torch.searchsorted(ordered, values)
    not_above = torch.searchsorted(ordered, values, right=True)
    return (below + not_above - 1) / (2 * max(values.shape[1] - 1, 1))


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation along the last dimension; NaN where one side is constant.

    Args:
        a: Tensor `(..., P)`.
        b: Tensor that broadcasts to it.
    """
    # Taking the first value off keeps a constant exactly zero, whatever its rounding.
    a, b = a - a[..., :1], b - b[..., :1]
    a, b = (x - x.mean(-1, keepdim=True) for x in (a, b))
    a, b = (x / x.abs().amax(-1, keepdim=True) for x in (a, b))
    scale = (a.square().sum(-1) * b.square().sum(-1)).sqrt()
    return ((a * b).sum(-1) / scale).clamp(-1, 1)


def structural_similarity(maps_a: Any, maps_b: Any) -> Tensor:
    """Whether two maps look alike: the structural similarity index, map by map.

    `SSIM = (2 ma mb + c1) (2 sab + c2) / ((ma^2 + mb^2 + c1) (sa^2 + sb^2 + c2))` with the means,
    variances and covariance under a Gaussian window of 11 x 11 pixels with a standard deviation of
    1.5, c1 = 0.01^2 and c2 = 0.03^2, averaged over all windows inside the map (Wang et al., "Image
    Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004). Two maps
    that are zero everywhere count as alike.

    Args:
        maps_a: Tensor or array `(N, H, W)`, in [0, 1], of 11 pixels a side or more.
        maps_b: Of the same shape, on any device.

    Returns:
        Tensor `(N,)`, float32, in [-1, 1], on the device of the first; 1 for the same map.

    Raises:
        InputError: The shapes differ, values leave [0, 1], or the maps are too small.
    """
    a, b = _pair(maps_a, maps_b)
    if min(a.min(), b.min()) < 0 or max(a.max(), b.max()) > 1:
        raise InputError("The maps leave [0, 1]: divide each by its maximum before comparing.")
    if min(a.shape[-2:]) < _WINDOW:
        raise InputError(
            f"The maps are {a.shape[-2]} x {a.shape[-1]} pixels, but the window of the structural "
            f"similarity has {_WINDOW} x {_WINDOW}: enlarge them first."
        )
    # Variances are small differences of squares: neither autocast nor TF32 may round their parts.
    ma, mb, aa, bb, ab = _window_means(*map(as_float64, (a, b)))
    likeness = (2 * ma * mb + _K1**2) / (ma**2 + mb**2 + _K1**2)
    structure = (2 * (ab - ma * mb) + _K2**2) / (aa - ma**2 + bb - mb**2 + _K2**2)
    return (likeness * structure).mean((1, 2)).to(a)


def _window_means(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """The means of a, b, a^2, b^2 and a b under every window inside the maps."""
    offsets = torch.arange(_WINDOW, device=a.device, dtype=a.dtype) - _WINDOW // 2
    weights = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights = weights / weights.sum()
    parts = torch.stack([a, b, a * a, b * b, a * b], 1).flatten(0, 1)[:, None]
    means = F.conv2d(F.conv2d(parts, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return means.reshape(len(a), 5, *means.shape[-2:]).unbind(1)


def _pair(maps_a: Any, maps_b: Any) -> tuple[Tensor, Tensor]:
    a = as_maps(maps_a)
    b = as_maps(maps_b, device=a.device)
    if a.shape != b.shape:
        raise InputError(
            f"The maps have shapes {tuple(a.shape)} and {tuple(b.shape)}: compare maps of the same "
            "pictures at the same size."
        )
    return a, b
