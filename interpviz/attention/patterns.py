"""How closely a head follows an attention pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import torch

from interpviz.attention.visibility import Array, as_weights, like, visible_keys
from interpviz.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@overload
def pattern_score(
    weights: Tensor,
    pattern: Array,
    *,
    mask: Array | None = ...,
    causal: bool = ...,
    padding_mask: Array | None = ...,
) -> Tensor: ...
@overload
def pattern_score(
    weights: np.ndarray,
    pattern: Array,
    *,
    mask: Array | None = ...,
    causal: bool = ...,
    padding_mask: Array | None = ...,
) -> np.ndarray: ...
def pattern_score(
    weights: Array,
    pattern: Array,
    *,
    mask: Array | None = None,
    causal: bool = False,
    padding_mask: Array | None = None,
) -> Array:
    r"""How closely each head follows a pattern, beyond what an even spread would give.

    Let s be the share of its attention that a head puts inside the pattern, as a mean over its
    queries (those without any weight left out), and u the share that a head would put there that
    spreads evenly over all keys it can see. The score is

    `(s - u) / (1 - u)`,

    1 for a head whose attention lies wholly inside, 0 for the even spread, below 0 for a head that
    avoids the pattern. The correction for chance is that of Cohen, "A Coefficient of Agreement
    for Nominal Scales", Educational and Psychological Measurement, 1960. A score says that a head
    stays inside, not that it fills the pattern: a head that looks only at itself scores 1 on every
    mask that holds the diagonal.

    Args:
        weights: Shape `(..., query, key)`, at least 0. Rows need not sum to 1.
        pattern: Shape `(query, key)`, True inside, for example from `local_mask`.
        mask: True where a query sees a key, broadcast to the shape of the weights.
        causal: Whether later keys are invisible; pass True for a decoder, or its own mask would
            count as following a pattern.
        padding_mask: 1 for real tokens and 0 for padding, shape `(key,)` or `(batch, key)`.

    Returns:
        Shape `(...)`, float32, at most 1, of the kind that was given (tensor or NumPy array). NaN
        where all visible keys lie inside the pattern, so that there is nothing to follow.

    Raises:
        InputError: The weights have fewer than two dimensions or values that are not finite, or
            the pattern or a mask does not fit them.
    """
    A = as_weights(weights)
    inside = torch.as_tensor(pattern, device=A.device).bool()
    if inside.shape != A.shape[-2:]:
        raise InputError(
            f"A pattern of shape {tuple(inside.shape)} does not fit weights of shape "
            f"{tuple(A.shape)}: it needs the shape {tuple(A.shape[-2:])}."
        )
    visible = visible_keys(A, mask, causal, padding_mask)
    A = A * visible
    total = A.sum(-1)
    counted = total > 0
    queries = counted.sum(-1)
    share = ((A * inside).sum(-1) / total.where(counted, 1.0)).sum(-1) / queries
    even = (visible & inside).sum(-1) / visible.sum(-1).clamp(min=1)
    even = even.where(counted, 0.0).sum(-1) / queries
    score = (share - even) / (1 - even).where(even < 1 - 1e-6, torch.nan)
    return like(score, weights)
