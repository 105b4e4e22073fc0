"""Numbers for heads: how widely a head spreads its attention, and how far it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import torch

from interpviz.attention.visibility import Array, as_weights, like, visible_keys
from interpviz.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@overload
def attention_entropy(
    weights: Tensor,
    *,
    mask: Array | None = ...,
    causal: bool = ...,
    padding_mask: Array | None = ...,
) -> Tensor: ...
@overload
def attention_entropy(
    weights: np.ndarray,
    *,
    mask: Array | None = ...,
    causal: bool = ...,
    padding_mask: Array | None = ...,
) -> np.ndarray: ...
def attention_entropy(
    weights: Array,
    *,
    mask: Array | None = None,
    causal: bool = False,
    padding_mask: Array | None = None,
) -> Array:
    r"""How widely each head spreads its attention: 0 on one key, 1 evenly on all it can see.

    For a query i with n(i) visible keys the row A(i) is divided by its sum, which gives P(i), and

    `H(i) = -sum over j of P(i, j) ln P(i, j) / ln n(i)`.

    The value of a head is the mean over its queries. Queries that see one key or none are left
    out: they have no choice. How many keys are visible is told by the masks, never by counting
    weights that are not zero, because a weight can be zero by choice; so pass `causal=True` for a
    decoder and the tokenizer's `attention_mask` as `padding_mask` for a padded batch. The
    entropy of attention distributions as a description of heads is due to Ghader and Monz, "What
    does Attention in Neural Machine Translation Pay Attention to?", IJCNLP 2017.

    Args:
        weights: Shape `(..., query, key)`, at least 0. Rows need not sum to 1.
        mask: True where a query sees a key, broadcast to the shape of the weights. Weights
            elsewhere are ignored.
        causal: Whether later keys are invisible. With fewer queries than keys the queries are the
            last of the positions, as when decoding with a cache.
        padding_mask: 1 for real tokens and 0 for padding, shape `(key,)` or `(batch, key)`. Padded
            keys are ignored, and padded queries too where there are as many queries as keys.

    Returns:
        Shape `(...)`, float32, in [0, 1], of the kind that was given (tensor or NumPy array). NaN
        for a head without any query that has a choice.

    Raises:
        InputError: The weights have fewer than two dimensions or values that are not finite, or a
            mask does not fit them.
    """
    A = as_weights(weights)
    visible = visible_keys(A, mask, causal, padding_mask)
    A = A * visible
    total = A.sum(-1)
    count = visible.sum(-1)
    counted = (count > 1) & (total > 0)
    P = A / total.unsqueeze(-1).where(counted.unsqueeze(-1), 1.0)
    rows = torch.special.entr(P).sum(-1) / count.clamp(min=2).float().log()
    return like(_mean_of(rows, counted), weights)


def _mean_of(rows: Tensor, counted: Tensor) -> Tensor:
    """Mean over the counted rows; NaN where none is counted."""
    return rows.where(counted, 0.0).sum(-1) / counted.sum(-1)


@overload
def attention_distance(
    weights: Tensor,
    *,
    mask: Array | None = ...,
    causal: bool = ...,
    padding_mask: Array | None = ...,
    grid: tuple[int, int] | None = ...,
) -> Tensor: ...
@overload
def attention_distance(
    weights: np.ndarray,
    *,
    mask: Array | None = ...,
    causal: bool = ...,
    padding_mask: Array | None = ...,
    grid: tuple[int, int] | None = ...,
) -> np.ndarray: ...
def attention_distance(
    weights: Array,
    *,
    mask: Array | None = None,
    causal: bool = False,
    padding_mask: Array | None = None,
    grid: tuple[int, int] | None = None,
) -> Array:
    r"""How far each head looks: the mean distance between query and key, weighted by attention.

    `D = sum of A(i, j) d(i, j) / sum of A(i, j)`

    with `d(i, j) = |i - j|` in tokens (Vig and Belinkov, "Analyzing the Structure of Attention in a
    Transformer Language Model", BlackboxNLP 2019) or, for a vision transformer, the Euclidean
    distance of two patches on the grid, in patches (Dosovitskiy et al., "An Image is Worth 16x16
    Words", ICLR 2021, where it is given in pixels).

    Args:
        weights: Shape `(..., query, key)`, at least 0. Rows need not sum to 1.
        mask: True where a query sees a key, broadcast to the shape of the weights. Weights
            elsewhere are ignored.
        causal: Whether later keys are invisible.
        padding_mask: 1 for real tokens and 0 for padding, shape `(key,)` or `(batch, key)`. Padded
            keys are ignored, and padded queries too where there are as many queries as keys.
        grid: Height and width of the image in patches, for a vision transformer. Tokens before
            the last `height * width` (class token, registers) have no place in the image and are
            left out, as query and as key.

    Returns:
        Shape `(...)`, float32, at least 0, in tokens or in patches, of the kind that was given
        (tensor or NumPy array). NaN for a head without any attention that counts. With fewer
        queries than keys the queries are the last of the positions.

    Raises:
        InputError: The weights have fewer than two dimensions or values that are not finite, a
            mask does not fit them, or the grid has more patches than there are tokens.
    """
    A = as_weights(weights)
    A = A * visible_keys(A, mask, causal, padding_mask)
    if grid is not None:
        A, distance = _patches(A, grid)
    else:
        queries, keys = A.shape[-2:]
        key = torch.arange(keys, device=A.device)
        query = torch.arange(queries, device=A.device) + max(keys - queries, 0)
        distance = (query[:, None] - key).abs().float()
    return like((A * distance).sum((-2, -1)) / A.sum((-2, -1)), weights)


def _patches(weights: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The weights between patches, and how far these lie apart."""
    height, width = grid
    patches = height * width
    if not 0 < patches <= min(weights.shape[-2:]):
        raise InputError(
            f"A grid of {height} x {width} has {patches} patches, but the weights have "
            f"{weights.shape[-2]} queries and {weights.shape[-1]} keys."
        )
    place = torch.cartesian_prod(
        torch.arange(height, device=weights.device), torch.arange(width, device=weights.device)
    ).float()
    # The differences themselves, not their products: rounding would leave a patch far from itself.
    distance = (place[:, None] - place[None]).square().sum(-1).sqrt()
    return weights[..., -patches:, -patches:], distance
