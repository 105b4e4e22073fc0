"""Attention patterns as masks, and how closely a head follows one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
import torch

from interpviz.attention.visibility import Array, as_weights, like, visible_keys
from interpviz.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Mask: TypeAlias = "NDArray[np.bool_]"


def _offsets(n: int) -> NDArray[np.int_]:
    """Query minus key, for every pair of positions."""
    if n < 1:
        raise InputError(f"A mask needs at least one position, not {n}.")
    place = np.arange(n)
    return place[:, None] - place[None, :]


def local_mask(n: int, window: int) -> Mask:
    """Each query sees the keys at most `window` positions away: |i - j| <= window.

    The sliding window of Beltagy, Peters and Cohan, "Longformer: The Long-Document Transformer",
    2020 (arXiv:2004.05150), with `window` positions on each side.

    Args:
        n: Number of positions.
        window: Positions visible on each side, at least 0.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` is below 1 or `window` below 0.
    """
    if window < 0:
        raise InputError(f"A window needs at least 0 positions on each side, not {window}.")
    return np.asarray(np.abs(_offsets(n)) <= window)


def causal_mask(n: int) -> Mask:
    """Each query sees itself and what came before it: j <= i.

    The mask of a decoder: Vaswani et al., "Attention Is All You Need", NeurIPS 2017.

    Args:
        n: Number of positions.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` is below 1.
    """
    return np.asarray(_offsets(n) >= 0)


def global_mask(n: int, tokens: Sequence[int]) -> Mask:
    """Chosen tokens see all and are seen by all: i in G or j in G.

    The global attention of Beltagy, Peters and Cohan, "Longformer: The Long-Document
    Transformer", 2020 (arXiv:2004.05150).

    Args:
        n: Number of positions.
        tokens: The positions of the global tokens G, each from 0 to `n - 1`.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` is below 1, or a position lies outside.
    """
    chosen = np.zeros(len(_offsets(n)), dtype=bool)
    for token in tokens:
        if not 0 <= token < n:
            raise InputError(f"Position {token} is outside of the {n} positions, 0 to {n - 1}.")
        chosen[token] = True
    return np.asarray(chosen[:, None] | chosen[None, :])


def dilated_mask(n: int, window: int, dilation: int) -> Mask:
    """A window with gaps: |i - j| <= window * dilation and (i - j) mod dilation = 0.

    The dilated sliding window of Beltagy, Peters and Cohan, "Longformer: The Long-Document
    Transformer", 2020 (arXiv:2004.05150).

    Args:
        n: Number of positions.
        window: Visible positions on each side, at least 0.
        dilation: The step between visible positions, at least 1; 1 is the local mask.

    Returns:
        Shape `(n, n)`, query by key, True where visible.

    Raises:
        InputError: `n` or `dilation` is below 1, or `window` below 0.
    """
    if dilation < 1:
        raise InputError(f"A dilation needs to be at least 1, not {dilation}.")
    return np.asarray(local_mask(n, window * dilation) & (_offsets(n) % dilation == 0))


def synthetic_attention(mask: Mask) -> NDArray[np.float64]:
    """The weights of a head that follows a mask exactly and knows nothing else.

    Args:
        mask: Shape `(query, key)`, True where visible.

    Returns:
        Shape `(query, key)`: each row is uniform over its visible keys and sums to 1; a row that
        sees nothing is 0.

    Raises:
        InputError: The mask does not have two dimensions.
    """
    seen = np.asarray(mask, dtype=bool)
    if seen.ndim != 2:
        raise InputError(f"A mask needs the shape (query, key), not {seen.shape}.")
    return np.asarray(seen / np.maximum(seen.sum(axis=1, keepdims=True), 1))


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
